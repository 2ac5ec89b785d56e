"""Checkpoints of whole SN-Nets: our own, and those that were published."""

from snnet_lightning.checkpoints.load import load, load_weights

__all__ = ["load", "load_weights"]
