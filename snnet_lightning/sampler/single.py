"""One stitch only; for an anchor, plain fine-tuning."""

from collections.abc import Mapping
from dataclasses import dataclass

from snnet_lightning.errors import InputError
from snnet_lightning.sampler.sampler import Sampler
from snnet_lightning.stitch.route import Stitch


@dataclass(frozen=True)
class SingleSampler(Sampler):
    """Draws the same stitch at every step: what the others are measured against.

    Args:
        stitch: its name or id.
    """

    stitch: str | int

    def draw(self, flops: Mapping[Stitch, int], step: int, rank: int = 0) -> tuple[Stitch, ...]:
        """As for all samplers.

        Raises:
            InputError: no stitch that can be trained has this name or id.
        """
        found = tuple(stitch for stitch in flops if self.stitch in (stitch.id, stitch.name))
        if not found:
            names = [stitch.name for stitch in flops]
            raise InputError(
                f"sampler.stitch={self.stitch}: no stitch that is trained has this name or id; "
                f"there are {', '.join(names[:3])}, ..., {names[-1]}"
            )
        return found
