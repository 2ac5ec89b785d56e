"""Some parts of an anchor without the others."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from snnet_lightning.anchors.anchor import Anchor, Owner
from snnet_lightning.stitch.route import AnchorPart, Block, Entry, anchor_route


def cut(anchor: Anchor, parts: Iterable[AnchorPart]) -> Anchor:
    """A copy that holds no parameters but those of ``parts`` (parts of this anchor), and can run only these.

    What is left keeps its name.
    """
    owners = set(_owners(anchor))
    used = {id(p) for part in parts for p in anchor.parameters_of(part)}
    left_out: dict[int, Any] = {id(p): None for p in anchor.parameters() if id(p) not in used}
    left_out |= {id(m.attention_bias_cache): {} for m in anchor.modules() if hasattr(m, "attention_bias_cache")}
    copied = copy.deepcopy(anchor, left_out)  # so that no memory is spent on what is left out
    for seen in ("activations", "_batch_norms"):  # of the whole anchor
        copied.__dict__.pop(seen, None)
    frame = {m for m in anchor.modules() if any(inner in owners for inner in m.modules() if inner is not m)}
    blocks = {block for stage in anchor.stages() for block in stage}
    for name in list(_unused(anchor, used, frame)):
        path, _, child = name.rpartition(".")
        parent = copied.get_submodule(path)
        # What is found by its place among others leaves something there.
        placed = anchor.get_submodule(name) in blocks or isinstance(parent, nn.Sequential | nn.ModuleList)
        setattr(parent, child, nn.Identity() if placed else None)
    return copied


def _owners(anchor: Anchor) -> Iterator[Owner]:
    """What the anchor's blocks and stage entries consist of."""
    for part in anchor_route(0, anchor.depths):
        if isinstance(part, Entry):
            yield from anchor.entry(part.stage)
        elif isinstance(part, Block):
            yield from anchor.block(part.stage, part.index)


def _unused(module: nn.Module, used: set[int], frame: set[nn.Module], prefix: str = "") -> Iterator[str]:
    """Names of the largest modules that have parameters, all of them unused."""
    for name, child in module.named_children():
        own = {id(p) for p in child.parameters()}
        if own and not own & used and child not in frame:
            yield prefix + name
        else:
            yield from _unused(child, used, frame, f"{prefix}{name}.")
