"""A stitch as data: which parts of which anchors it runs, in which order. No torch in here."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from snnet_lightning.errors import InputError


@dataclass(frozen=True)
class Stem:
    """From the image to the activations that enter stage 0 of an anchor."""

    anchor: int


@dataclass(frozen=True)
class Entry:
    """What an anchor does on entering a stage after the first (patch merging; nothing where a block does it)."""

    anchor: int
    stage: int


@dataclass(frozen=True)
class Block:
    """One block of one stage of an anchor."""

    anchor: int
    stage: int
    index: int


@dataclass(frozen=True)
class Layer:
    """A stitching layer, known by its key in the space."""

    key: tuple[int, ...]


@dataclass(frozen=True)
class Head:
    """Final norm (left out if not ``norm``), pooling and classifier of an anchor."""

    anchor: int
    norm: bool = True


AnchorPart = Stem | Entry | Block | Head  # of an anchor
Part = AnchorPart | Layer
Depths = tuple[int, ...]  # blocks per stage of one anchor


@dataclass(frozen=True, order=True)
class Position:
    """A block of an anchor: ``stage``, and ``block`` within it; ordered as they run."""

    stage: int
    block: int


@dataclass(frozen=True)
class Stitch:
    """One sub-network: its id in the space, a name for people, and its route."""

    id: int
    name: str
    route: tuple[Part, ...]

    def __hash__(self) -> int:
        """Without the route, for stitches are looked up several times a step."""
        return hash((self.id, self.name))

    @property
    def anchors(self) -> tuple[int, ...]:
        """The anchors whose blocks run, in the order in which they run."""
        visited = [part.anchor for part in self.route if isinstance(part, Block)]
        return tuple(a for i, a in enumerate(visited) if i == 0 or visited[i - 1] != a)

    @cached_property
    def is_anchor(self) -> bool:
        return not any(isinstance(part, Layer) for part in self.route)


def blocks_between(
    anchor: int, depths: Depths, start: Position | None = None, end: Position | None = None
) -> Iterator[Entry | Block]:
    """Blocks of ``anchor`` from ``start`` up to, but without, ``end``, with the stage entries on the way.

    ``None`` stands for the anchor's own first block and for the end of its last stage. The entry of the stage that
    ``start`` lies in does not run: whoever arrives by a stitching layer is already inside that stage.
    """
    first = start or Position(0, 0)
    last = end or Position(len(depths), 0)
    for stage, depth in enumerate(depths):
        for index in range(depth):
            if first <= Position(stage, index) < last:
                if index == 0 and stage > first.stage:
                    yield Entry(anchor, stage)
                yield Block(anchor, stage, index)


def anchor_route(anchor: int, depths: Depths) -> tuple[AnchorPart, ...]:
    """The route of a single anchor."""
    return (Stem(anchor), *blocks_between(anchor, depths), Head(anchor))


def stitch_name(route: Sequence[Part], names: Sequence[str], depths: Sequence[Depths]) -> str:
    """Name a route as slices of anchors: ``deit_tiny[:4] > deit_small[3:]``, stage first where there are stages.

    As in Python, ``[:4]`` are the blocks 0..3; ``[2:4]`` on a staged anchor stands for stage 2, block 4.
    """
    if not any(isinstance(part, Layer) for part in route):
        return next(names[part.anchor] for part in route if not isinstance(part, Layer))
    segments: list[list[Block]] = [[]]
    for part in route:
        if isinstance(part, Layer):
            segments.append([])
        elif isinstance(part, Block):
            segments[-1].append(part)
    texts = []
    for i, blocks in enumerate(segments):
        first, last = blocks[0], blocks[-1]
        staged = len(depths[first.anchor]) > 1
        start = "" if i == 0 else f"{first.stage}:{first.index}" if staged else f"{first.index}"
        stop = "" if i == len(segments) - 1 else f"{last.stage}:{last.index + 1}" if staged else f"{last.index + 1}"
        inner = (start or stop) if staged and not (start and stop) else f"{start}{', ' if staged else ':'}{stop}"
        texts.append(f"{names[first.anchor]}[{inner}]")
    return " > ".join(texts)


def stitch_kind(name: str) -> str:
    """The anchors that the stitch of this name runs, in order: ``deit_tiny > deit_small``."""
    return re.sub(r"\[.*?\]", "", name)


@dataclass(frozen=True)
class StitchSpace:
    """All stitches of a set of anchors, in id order.

    Args:
        kind: paired, staged or two_way.
        stitches: those that can be run; an id may be missing between them.
        idle: stitching layers of the missing ones, which published checkpoints hold all the same.
    """

    kind: str
    stitches: tuple[Stitch, ...]
    idle: tuple[Layer, ...] = ()

    def __len__(self) -> int:
        return len(self.stitches)

    def __iter__(self) -> Iterator[Stitch]:
        return iter(self.stitches)

    def __getitem__(self, key: int | str) -> Stitch:
        """The stitch with this id or name.

        Raises:
            InputError: there is none.
        """
        stitch = self._by_key.get(key)
        if stitch is not None:
            return stitch
        if isinstance(key, str):
            raise InputError(f"no stitch is named {key!r}; a name reads like {self.stitches[-1].name!r}")
        if isinstance(key, int) and 0 <= key < self.stitches[-1].id:
            raise InputError(f"stitch {key} runs no block of its last anchor, so it is no sub-network of its own")
        raise InputError(f"no stitch has id {key}; ids run from 0 to {self.stitches[-1].id}")

    @cached_property
    def _by_key(self) -> dict[int | str, Stitch]:
        return {key: s for s in self.stitches for key in (s.id, s.name)}

    @cached_property
    def anchors(self) -> tuple[Stitch, ...]:
        """The stitches that are a single anchor."""
        return tuple(s for s in self.stitches if s.is_anchor)

    @cached_property
    def crossings(self) -> dict[Layer, tuple[tuple[AnchorPart, AnchorPart], ...]]:
        """Every stitching layer with the (part before, part after) pairs that it joins, in order of first use."""
        found: dict[Layer, dict[tuple[AnchorPart, AnchorPart], None]] = {}
        for stitch in self.stitches:
            for before, part, after in zip(stitch.route, stitch.route[1:], stitch.route[2:], strict=False):
                if isinstance(part, Layer) and not isinstance(before, Layer) and not isinstance(after, Layer):
                    found.setdefault(part, {})[before, after] = None
        return {layer: tuple(pairs) for layer, pairs in found.items()}
