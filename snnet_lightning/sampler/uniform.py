"""Every stitch equally often (SN-Net, section 3.4)."""

from collections.abc import Mapping
from dataclasses import dataclass

from snnet_lightning.checked import Seed
from snnet_lightning.sampler.sampler import Sampler, generator_of
from snnet_lightning.stitch.route import Stitch


@dataclass(frozen=True)
class UniformSampler(Sampler):
    """Draws one stitch a step, uniformly.

    Args:
        seed: seed of the run.
        per_rank: whether every process draws its own stitch, as published, or all draw the same.
    """

    seed: Seed
    per_rank: bool = True

    def draw(self, flops: Mapping[Stitch, int], step: int, rank: int = 0) -> tuple[Stitch, ...]:
        return (generator_of(self.seed, step, rank, self.per_rank).choice(list(flops)),)
