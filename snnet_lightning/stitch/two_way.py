"""The two-way rule of SN-Netv2: a small and a large anchor, crossed once or twice, in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass

from snnet_lightning.errors import InputError
from snnet_lightning.stitch.route import Depths, Layer, Position, StitchSpace
from snnet_lightning.stitch.rule import register_rule
from snnet_lightning.stitch.space_builder import Hop, SpaceBuilder

SMALL, LARGE = 0, 1


@register_rule("two_way")
@dataclass(frozen=True)
class TwoWayRule:
    """The stitches of two anchors with one stage, the first not deeper than the second."""

    def __call__(
        self, names: Sequence[str], depths: Sequence[Depths], grids: Sequence[Depths] | None = None
    ) -> StitchSpace:
        """Build the StitchSpace.

        Raises:
            InputError: not two anchors, several stages, or the first anchor is the deeper one.
        """
        if len(names) != 2:
            raise InputError(f"stitch=two_way needs exactly two anchors, not {len(names)}: {', '.join(names)}")
        if any(len(d) != 1 for d in depths) or depths[SMALL][0] > depths[LARGE][0]:
            listed = ", ".join(f"{name} {'+'.join(map(str, d))}" for name, d in zip(names, depths, strict=True))
            raise InputError(
                "stitch=two_way needs anchors of one stage, the first not deeper than the second, "
                f"but their blocks are: {listed}"
            )
        small, large = depths[SMALL][0], depths[LARGE][0]
        up = [
            Hop(SMALL, Position(0, i), Layer((0, i)), LARGE, Position(0, -(-(i + 1) * large // small)))
            for i in range(small)
        ]
        down = [
            Hop(LARGE, Position(0, -(-j * large // small) - 1), Layer((1, j - 1)), SMALL, Position(0, j))
            for j in range(1, small)
        ]
        builder = SpaceBuilder("two_way", names, depths)
        for hop in up[:-1]:
            builder.add(hop)
        builder.skip(up[-1])  # nothing of the large anchor is left but its norm and head
        for hop in down:
            builder.add(hop)
        for first, second in [(down, up[:-1]), (up, down)]:
            for a in first:
                for b in second:
                    if b.leave.block >= a.enter.block:
                        builder.add(a, b)
        return builder.space()
