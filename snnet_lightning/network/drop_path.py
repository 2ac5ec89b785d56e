"""Stochastic depth (Huang et al., ECCV 2016) with one rate for all blocks, as DeiT III has it."""

from collections.abc import Iterable
from typing import Any

from timm.layers import DropPath
from torch import nn

from snnet_lightning.anchors.anchor import Anchor


def make_constant(anchors: Iterable[Anchor]) -> None:
    """Drop every path at its anchor's ``drop_path_rate``, which in timm is the last block's, from 0 for the first."""
    for anchor in anchors:
        rate: Any = anchor.described.kwargs.get("drop_path_rate", 0.0)
        for module in [*anchor.modules()]:
            for name, child in module.named_children():
                if name.startswith("drop_path") and isinstance(child, DropPath | nn.Identity):
                    setattr(module, name, DropPath(rate) if rate else nn.Identity())
