"""The paired rule: two one-stage anchors of equal depth, a window of blocks sliding over both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import PositiveInt

from snnet_lightning.errors import InputError
from snnet_lightning.stitch.route import Depths, Layer, Position, StitchSpace
from snnet_lightning.stitch.rule import register_rule
from snnet_lightning.stitch.space_builder import Hop, Pairs, SpaceBuilder, anchor_pairs


def sliding_window_pairs(depth: int, kernel_size: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Yield (j, k, layer): front blocks 0..j, stitching layer ``layer``, end blocks k.. (SN-Net, section 3.2).

    Every window of ``kernel_size`` blocks gives the pairs that no earlier window gave; they share one stitching layer.
    The last windows are cut short at ``depth``.
    """
    seen: set[tuple[int, int]] = set()
    layer = 0
    for start in range(0, depth, stride):
        window = range(start, min(start + kernel_size, depth))
        new = [(j, k) for j in window for k in window if (j, k) not in seen]
        yield from ((j, k, layer) for j, k in new)
        seen.update(new)
        layer += bool(new)


@register_rule("paired")
@dataclass(frozen=True)
class PairedRule:
    """The stitches of anchors with one stage and equal depth (DeiT, ViT).

    ``final_norm``: whether a stitch applies the last anchor's final norm; the published DeiT stitches do not.
    """

    kernel_size: PositiveInt = 2
    stride: PositiveInt = 1
    pairs: Pairs = "nearest"
    final_norm: bool = True

    def __call__(
        self, names: Sequence[str], depths: Sequence[Depths], grids: Sequence[Depths] | None = None
    ) -> StitchSpace:
        """Build the StitchSpace.

        Raises:
            InputError: an anchor has several stages, or depths differ.
        """
        if any(len(d) != 1 for d in depths) or len(set(depths)) != 1:
            listed = ", ".join(f"{name} {'+'.join(map(str, d))}" for name, d in zip(names, depths, strict=True))
            raise InputError(
                f"stitch=paired needs anchors of one stage and equal depth, but their blocks are: {listed}"
            )
        builder = SpaceBuilder("paired", names, depths, self.final_norm)
        for pair, (front, end) in enumerate(anchor_pairs(len(names), self.pairs)):
            for j, k, layer in sliding_window_pairs(depths[0][0], self.kernel_size, self.stride):
                builder.add(Hop(front, Position(0, j), Layer((pair, layer)), end, Position(0, k)))
        return builder.space()
