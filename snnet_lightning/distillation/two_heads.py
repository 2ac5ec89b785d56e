"""Anchors with a second classifier, for a teacher: DeiT's distilled ones, LeViT."""

from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet


def train_two_heads(net: SNNet, apart: bool) -> None:
    """Whether stitches, in training, give the logits of both classifiers instead of their mean.

    Raises:
        InputError: they should, but not all anchors have two.
    """
    for anchor in net.anchors:
        if hasattr(anchor.model, "set_distilled_training"):
            anchor.model.set_distilled_training(apart)
        elif apart:
            raise InputError(f"distillation.two_heads=true: {anchor.name} has one classifier")
