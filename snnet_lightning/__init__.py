"""Stitchable Neural Networks (Pan, Cai, Zhuang: CVPR 2023) as one experiment framework."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snnet_lightning.checkpoints import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    # What a sweep's own process imports of this package must not import PyTorch.
    if name == "load":
        from snnet_lightning.checkpoints import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
