"""Every stitch equally often (SN-Net, section 3.4)."""

import random
from dataclasses import dataclass

from snnet_lightning.stitch.route import Stitch, StitchSpace


@dataclass(frozen=True)
class UniformSampler:
    """Draws one stitch a step, uniformly.

    The draw is a pure function of (seed, step, rank): nothing has to be saved for a resume.

    Args:
        seed: seed of the run.
        per_rank: whether every process draws its own stitch, as published, or all draw the same.
    """

    seed: int
    per_rank: bool = True

    def draw(self, space: StitchSpace, step: int, rank: int = 0) -> Stitch:
        """The stitch of training batch ``step`` on process ``rank``."""
        generator = random.Random(f"{self.seed}-{step}-{rank if self.per_rank else 'all'}")
        return generator.choice(space.stitches)
