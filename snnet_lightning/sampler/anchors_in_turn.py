"""The anchors alone, one after the other: how they are tuned before any stitch is trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from snnet_lightning.errors import InputError
from snnet_lightning.sampler.sampler import Sampler
from snnet_lightning.stitch.route import Stitch


@dataclass(frozen=True)
class AnchorsInTurn(Sampler):
    """Draws one anchor a step, the smallest first, then the next, on all processes the same."""

    def draw(self, flops: Mapping[Stitch, int], step: int, rank: int = 0) -> tuple[Stitch, ...]:
        """As for all samplers.

        Raises:
            InputError: the anchors are not among the stitches to choose from.
        """
        anchors = [stitch for stitch in flops if stitch.is_anchor]
        if not anchors:
            raise InputError("tuning.epochs: tunes the anchors, which net.freeze_anchors=true forbids; set it to 0")
        return (anchors[step % len(anchors)],)
