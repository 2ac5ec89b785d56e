"""Activation checkpointing: a block keeps only its input for the backward pass, and runs again there."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.stitch.route import Block


def run_checkpointed(anchor: Anchor, block: Block, x: Tensor) -> Tensor:
    """Run ``block`` as ``anchor.run`` does; random numbers and running statistics are those of a single run."""
    modules = [owner for owner in anchor.block(block.stage, block.index) if isinstance(owner, nn.Module)]
    norms = [norm for module in modules for norm in module.modules() if isinstance(norm, _BatchNorm)]
    contexts = nullcontext(), _unchanged([buffer for norm in norms for buffer in norm.buffers()])
    return checkpoint(anchor.run, block, x, use_reentrant=False, context_fn=lambda: contexts)


@contextmanager
def _unchanged(tensors: list[Tensor]) -> Iterator[None]:
    """Give ``tensors`` their values back on leaving: the second run would update running statistics once more."""
    before = [tensor.clone() for tensor in tensors]
    try:
        yield
    finally:  # PyTorch leaves by an exception as soon as it has what it needs
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
