"""The space that fits the anchors' shape, for families that nobody wrote a configuration for."""

from collections.abc import Sequence
from dataclasses import dataclass

from snnet_lightning.stitch.paired import PairedSpace
from snnet_lightning.stitch.registry import Space
from snnet_lightning.stitch.route import Depths, StitchSpace
from snnet_lightning.stitch.staged import StagedSpace
from snnet_lightning.stitch.two_way import TwoWaySpace


@dataclass(frozen=True)
class FittingSpace:
    """Staged for anchors with several stages; for those with one, paired at equal depth and two-way otherwise.

    It is no space of its own, and has no name in files: a network is described by the one that was chosen.
    """

    def chosen(self, depths: Sequence[Depths]) -> Space:
        """The space for anchors with so many blocks in each stage."""
        if any(len(d) != 1 for d in depths):
            return StagedSpace()
        return PairedSpace() if len(set(depths)) == 1 else TwoWaySpace()

    def __call__(
        self, names: Sequence[str], depths: Sequence[Depths], grids: Sequence[Depths] | None = None
    ) -> StitchSpace:
        """Build the StitchSpace; errors as of the space that was chosen."""
        return self.chosen(depths)(names, depths, grids)
