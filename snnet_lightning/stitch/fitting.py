"""The rule that fits the anchors' shape, for families that nobody wrote a configuration for."""

from collections.abc import Sequence
from dataclasses import dataclass

from snnet_lightning.stitch.paired import PairedRule
from snnet_lightning.stitch.route import Depths, StitchSpace
from snnet_lightning.stitch.rule import StitchRule
from snnet_lightning.stitch.staged import StagedRule
from snnet_lightning.stitch.two_way import TwoWayRule


@dataclass(frozen=True)
class FittingRule:
    """Staged for anchors with several stages; for those with one, paired at equal depth and two-way otherwise.

    It is no rule of its own, and has no name in files: a network is described by the one that was chosen.
    """

    def chosen(self, depths: Sequence[Depths]) -> StitchRule:
        """The rule for anchors with so many blocks in each stage."""
        if any(len(d) != 1 for d in depths):
            return StagedRule()
        return PairedRule() if len(set(depths)) == 1 else TwoWayRule()

    def __call__(
        self, names: Sequence[str], depths: Sequence[Depths], grids: Sequence[Depths] | None = None
    ) -> StitchSpace:
        """Build the StitchSpace; errors as of the rule that was chosen."""
        return self.chosen(depths)(names, depths, grids)
