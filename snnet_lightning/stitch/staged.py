"""The staged rule: hierarchical anchors, stitched inside chosen stages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from snnet_lightning.errors import InputError
from snnet_lightning.stitch.paired import sliding_window_pairs
from snnet_lightning.stitch.route import Depths, Layer, Position, StitchSpace
from snnet_lightning.stitch.rule import register_rule
from snnet_lightning.stitch.space_builder import Hop, Pairs, SpaceBuilder, anchor_pairs


def stage_pairs(front: int, end: int, kernel_size: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Yield (j, k, layer) inside one stage of ``front`` and ``end`` blocks; k >= 1, so the front's stage entry runs.

    Equal depths: the sliding window, without the pairs that would run a block's place twice (SN-Net, section 3.2).
    A deeper end: end block i corresponds to front block floor(i * front / end), and is entered from there; the n-th
    pair uses layer floor(n * front / end), as the published checkpoints have it.
    A deeper front, which the published code leaves open: after front block j the end goes on at the first block that
    begins no earlier in relative depth, ceil((j + 1) * end / front); pairs that enter at the same block share a layer.
    """
    if front == end:
        layers: dict[int, int] = {}
        for j, k, layer in sliding_window_pairs(front, kernel_size, stride):
            if j < k:
                yield j, k, layers.setdefault(layer, len(layers))
    elif front < end:
        pairs = [(j, k) for j in range(front) for k in range(end) if k * front // end == j and j < k]
        yield from ((j, k, n * front // end) for n, (j, k) in enumerate(pairs))
    else:
        for j in range(front):
            k = -(-(j + 1) * end // front)
            if k < end:
                yield j, k, k - 1


@register_rule("staged")
@dataclass(frozen=True)
class StagedRule:
    """The stitches of hierarchical anchors (Swin, ResNet, LeViT, ConvNeXt, ...).

    Stages are matched by number; where anchors differ in how many they have, by the number of tokens or pixels.

    ``stages``: which stages to stitch, counted from 0, or ``all_but_last``.
    """

    stages: Literal["all_but_last"] | tuple[NonNegativeInt, ...] = "all_but_last"
    kernel_size: PositiveInt = 2
    stride: PositiveInt = 1
    pairs: Pairs = "nearest"

    def __call__(
        self, names: Sequence[str], depths: Sequence[Depths], grids: Sequence[Depths] | None = None
    ) -> StitchSpace:
        """Build the StitchSpace; ``grids``: tokens or pixels in every stage of every anchor.

        Raises:
            InputError: a stage that there is not, or nothing to stitch.
        """
        builder = SpaceBuilder("staged", names, depths)
        pairs = anchor_pairs(len(names), self.pairs)
        if len({len(d) for d in depths}) == 1:
            matched = {pair: [(stage, stage) for stage in self._chosen(len(depths[0]))] for pair in pairs}
        elif self.stages == "all_but_last" and grids is not None:
            matched = {(front, end): matching_stages(grids[front], grids[end]) for front, end in pairs}
        else:
            listed = ", ".join(f"{name} {len(d)}" for name, d in zip(names, depths, strict=True))
            raise InputError(
                f"stitch.stages={list(self.stages)}: cannot be numbered for anchors that differ in stages ({listed}); "
                "leave it at all_but_last"
            )
        for order in range(max(map(len, matched.values()))):
            for number, (front, end) in enumerate(pairs):
                if order < len(matched[front, end]):
                    here, there = matched[front, end][order]
                    found = stage_pairs(depths[front][here], depths[end][there], self.kernel_size, self.stride)
                    for j, k, layer in found:
                        key = Layer((order, number, layer))
                        builder.add(Hop(front, Position(here, j), key, end, Position(there, k)))
        return builder.space()

    def _chosen(self, count: int) -> list[int]:
        stages = range(count - 1) if self.stages == "all_but_last" else self.stages
        for stage in stages:
            if not 0 <= stage < count:
                raise InputError(f"stitch.stages: there is no stage {stage}; the anchors have stages 0 to {count - 1}")
        return sorted(set(stages))


def matching_stages(front: Depths, end: Depths) -> list[tuple[int, int]]:
    """Pairs of stages with as many tokens or pixels, matched from the last one back; not the last of both."""
    found: list[tuple[int, int]] = []
    for size in sorted(set(front) & set(end), reverse=True):
        here, there = ([i for i, grid in enumerate(grids) if grid == size] for grids in (front, end))
        both_end = here[-1] == len(front) - 1 and there[-1] == len(end) - 1
        if not both_end:
            count = min(len(here), len(there))
            found += zip(here[-count:], there[-count:], strict=True)
    return found
