"""Anchors: pretrained timm models behind one contract."""

from snnet_lightning.anchors.anchor import Activation, Anchor
from snnet_lightning.anchors.create import create_anchors

__all__ = ["Activation", "Anchor", "create_anchors"]
