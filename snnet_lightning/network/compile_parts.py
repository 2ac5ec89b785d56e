"""torch.compile of an SN-Net part by part, so that no stitch costs a compilation of its own."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch._dynamo import config

from snnet_lightning.anchors.anchor import Anchor

# PyTorch gives a function up after so many versions of it. All blocks of a class are one function to it, so they share
# the limit: the widths and drop path rates of three DeiTs, times training and evaluation, are well above it.
VERSIONS_OF_A_PART = 8


def compile_in_place(anchors: Iterable[Anchor], stitching_layers: Iterable[nn.Module], **options: Any) -> None:
    """Compile every block and stitching layer in place, on its first run; names of parameters stay as they are.

    Parts of the same class, shapes and drop path rate share one compiled version, one for training and one for
    evaluation (and one more once a second batch size is seen), so there are at most a few times as many as parts,
    however many stitches there are.

    Args:
        options: of ``torch.compile``.
    """
    parts = [*stitching_layers]
    for anchor in anchors:
        owners = [o for stage, depth in enumerate(anchor.depths) for i in range(depth) for o in anchor.block(stage, i)]
        parts += [owner for owner in owners if isinstance(owner, nn.Module)]
    limit = VERSIONS_OF_A_PART * len(parts)
    config.cache_size_limit = max(config.cache_size_limit, limit)
    config.accumulated_cache_size_limit = max(config.accumulated_cache_size_limit, limit)
    for part in parts:
        part.compile(**options)


@contextmanager
def uncompiled(module: nn.Module) -> Iterator[None]:
    """Run ``module`` as if nothing in it were compiled, for tracers, which cannot look into compiled modules."""
    # PyTorch has no public name for what ``module.compile()`` sets.
    compiled = {m: m._compiled_call_impl for m in module.modules() if m._compiled_call_impl is not None}
    for m in compiled:
        m._compiled_call_impl = None
    try:
        yield
    finally:
        for m, run in compiled.items():
            m._compiled_call_impl = run
