"""What all stitch rules share: which anchors are paired, and how ids, names and routes are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

from snnet_lightning.errors import InputError
from snnet_lightning.stitch.route import (
    Depths,
    Head,
    Layer,
    Part,
    Position,
    Stem,
    Stitch,
    StitchSpace,
    anchor_route,
    blocks_between,
    stitch_name,
)

Pairs = Literal["nearest", "all"]


def anchor_pairs(count: int, pairs: Pairs) -> list[tuple[int, int]]:
    """Pairs of anchors to stitch: neighbours in complexity only (``nearest``), or all of them."""
    return list(pairwise(range(count)) if pairs == "nearest" else combinations(range(count), 2))


@dataclass(frozen=True)
class Hop:
    """Run anchor ``front`` through the block ``leave``, a stitching layer, then anchor ``end`` from ``enter`` on."""

    front: int
    leave: Position
    layer: Layer
    end: int
    enter: Position


class SpaceBuilder:
    """Collects stitches in id order, the anchors first."""

    def __init__(self, kind: str, names: Sequence[str], depths: Sequence[Depths], final_norm: bool = True):
        self.kind, self.names, self.depths, self.final_norm = kind, names, depths, final_norm
        self.stitches = [Stitch(i, name, anchor_route(i, depths[i])) for i, name in enumerate(names)]
        self.next_id = len(names)
        self.idle: list[Layer] = []

    def add(self, *hops: Hop) -> None:
        """Append the stitch that makes these hops, one after the other."""
        anchor, entered = hops[0].front, None
        route: list[Part] = [Stem(anchor)]
        for hop in hops:
            after = Position(hop.leave.stage, hop.leave.block + 1)
            route += blocks_between(anchor, self.depths[anchor], entered, after)
            route.append(hop.layer)
            anchor, entered = hop.end, hop.enter
        route += blocks_between(anchor, self.depths[anchor], entered)
        route.append(Head(anchor, self.final_norm))
        self.stitches.append(Stitch(self.next_id, stitch_name(route, self.names, self.depths), tuple(route)))
        self.next_id += 1

    def skip(self, hop: Hop) -> None:
        """Count an id for a stitch that is never run; its stitching layer is left idle."""
        self.next_id += 1
        self.idle.append(hop.layer)

    def space(self) -> StitchSpace:
        """The finished space.

        Raises:
            InputError: it holds nothing but the anchors.
        """
        if len(self.stitches) == len(self.names):
            raise InputError(f"stitch={self.kind}: there is nothing to stitch between {', '.join(self.names)}")
        return StitchSpace(self.kind, tuple(self.stitches), tuple(self.idle))
