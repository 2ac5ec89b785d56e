"""The SN-Net: one network that holds the anchors and all stitching layers."""

from snnet_lightning.model.snnet import SNNet

__all__ = ["SNNet"]
