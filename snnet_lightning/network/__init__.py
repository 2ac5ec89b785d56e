"""The SN-Net in plain PyTorch: one network that holds the anchors and all stitching layers."""

from snnet_lightning.network.create import build, create_net
from snnet_lightning.network.snnet import SNNet

__all__ = ["SNNet", "build", "create_net"]
