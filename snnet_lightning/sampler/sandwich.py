"""The extremes at every step, and a few between (the sandwich rule, Yu and Huang, ICCV 2019)."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import NonNegativeInt

from snnet_lightning.checked import Seed
from snnet_lightning.errors import InputError
from snnet_lightning.sampler.sampler import Sampler, generator_of
from snnet_lightning.stitch.route import Stitch


@dataclass(frozen=True)
class SandwichSampler(Sampler):
    """Draws the largest anchor, the smallest, and some of the other stitches, none twice, uniformly.

    The largest comes first, so that the others can learn from it (``distillation=in_place``).

    Args:
        seed: seed of the run.
        random_stitches: how many of the others.
        per_rank: whether every process draws its own others, or all draw the same.
    """

    seed: Seed
    random_stitches: NonNegativeInt = 1
    per_rank: bool = True

    def draw(self, flops: Mapping[Stitch, int], step: int, rank: int = 0) -> tuple[Stitch, ...]:
        """As for all samplers.

        Raises:
            InputError: the anchors are not among the stitches to choose from, or fewer others than asked for.
        """
        anchors = [stitch for stitch in flops if stitch.is_anchor]
        if not anchors:
            raise InputError(
                "sampler=sandwich trains the smallest and the largest anchor, which net.freeze_anchors=true forbids: "
                "choose another sampler"
            )
        smallest, largest = anchors[0], anchors[-1]
        others = [stitch for stitch in flops if stitch not in (smallest, largest)]
        if self.random_stitches > len(others):
            raise InputError(f"sampler.random_stitches={self.random_stitches}: there are {len(others)} to draw from")
        generator = generator_of(self.seed, step, rank, self.per_rank)
        return largest, smallest, *generator.sample(others, self.random_stitches)
