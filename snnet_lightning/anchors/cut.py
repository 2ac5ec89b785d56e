"""Some parts of an anchor without the others."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.stitch.route import AnchorPart, blocks_between


def cut(anchor: Anchor, parts: Iterable[AnchorPart]) -> Anchor:
    """A copy that holds no parameters but those of ``parts`` (parts of this anchor), and can run only these.

    What is left keeps its name.
    """
    owners = {owner for part in blocks_between(0, anchor.depths) for owner in anchor.owners_of(part)}
    used = {id(p) for part in parts for p in anchor.parameters_of(part)}
    frame = {m for m in anchor.modules() if any(inner in owners for inner in m.modules() if inner is not m)}
    blocks = {block for stage in anchor.stages() for block in stage}
    # What copies have in place of what is left out, on which no memory is spent.
    instead: dict[int, Any] = {id(p): None for p in anchor.parameters() if id(p) not in used}
    instead |= {id(m.attention_bias_cache): {} for m in anchor.modules() if hasattr(m, "attention_bias_cache")}
    for parent, child in _unused(anchor, used, frame):
        # What is found by its place among others leaves something there.
        placed = child in blocks or isinstance(parent, nn.Sequential | nn.ModuleList)
        instead[id(child)] = nn.Identity() if placed else None
    copied = copy.deepcopy(anchor, instead)
    for seen in ("activations", "_batch_norms"):  # of the whole anchor
        copied.__dict__.pop(seen, None)
    return copied


def _unused(module: nn.Module, used: set[int], frame: set[nn.Module]) -> Iterator[tuple[nn.Module, nn.Module]]:
    """(parent, child) of the largest modules that have parameters, all of them unused."""
    for child in module.children():
        own = {id(p) for p in child.parameters()}
        if own and not own & used and child not in frame:
            yield module, child
        else:
            yield from _unused(child, used, frame)
