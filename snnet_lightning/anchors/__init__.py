"""Anchors: pretrained timm models behind one contract."""

from snnet_lightning.anchors.anchor import Activation, Anchor
from snnet_lightning.anchors.family import AnchorFamily, create_anchors

__all__ = ["Activation", "Anchor", "AnchorFamily", "create_anchors"]
