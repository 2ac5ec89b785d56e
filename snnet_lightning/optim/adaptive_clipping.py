"""Adaptive gradient clipping (AGC) of an SN-Net."""

from collections.abc import Iterator
from typing import Any

from timm.utils import adaptive_clip_grad
from torch import nn

from snnet_lightning.network.snnet import SNNet


def clip_adaptively(net: SNNet, factor: float, spare_classifiers: bool = True) -> None:
    """Clip gradients in place, output unit by output unit, at ``factor`` times the norm of the unit's weights.

    As in NFNets (Brock et al., ICML 2021), the classifiers are left alone unless told otherwise; stitching layers are
    clipped.
    """
    layers = [layer for anchor in net.anchors for layer in classifiers(anchor.model)] if spare_classifiers else []
    spared = {id(parameter) for layer in layers for parameter in layer.parameters()}
    adaptive_clip_grad([p for p in net.parameters() if id(p) not in spared], factor)


def classifiers(model: Any) -> Iterator[nn.Module]:
    """The last layer of a timm model; distilled ones have two."""
    found = model.get_classifier()
    yield from found if isinstance(found, tuple) else (found,)
