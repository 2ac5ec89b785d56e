"""A server that chooses the stitch of every batch by the time that is left.

The processes that speak HTTP import no PyTorch: that alone would be more memory than all else they need.
"""
