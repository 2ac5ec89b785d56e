"""Every part of the FLOPs range equally often (SN-Netv2, Pan et al., TPAMI 2024)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import NonNegativeFloat

from snnet_lightning.checked import Seed
from snnet_lightning.sampler.sampler import Sampler, generator_of
from snnet_lightning.stitch.route import Stitch

log = logging.getLogger(__name__)


def flops_groups(flops: Mapping[Stitch, int], gap: float) -> list[list[Stitch]]:
    """The stitches by FLOPs, in groups that hold all within ``gap`` FLOPs of the group's first."""
    groups: list[list[Stitch]] = []
    for stitch in sorted(flops, key=flops.__getitem__):
        if groups and flops[stitch] - flops[groups[-1][0]] <= gap:
            groups[-1].append(stitch)
        else:
            groups.append([stitch])
    return groups


def tell_groups(flops: Mapping[Stitch, int], gap: float) -> None:
    """Log how many groups there are; a warning where they change nothing."""
    sizes = [len(group) for group in flops_groups(flops, gap)]
    if len(sizes) == 1:
        log.warning("all %d stitches are within sampler.gap=%g FLOPs: one group, as if there were none", *sizes, gap)
    else:
        log.info("%d stitches in %d groups of FLOPs, of sizes %s", len(flops), len(sizes), sizes)


@dataclass(frozen=True)
class FlopsGroupedSampler(Sampler):
    """Draws one group of stitches of about equal FLOPs a step, uniformly, and one stitch of it, uniformly.

    Args:
        seed: seed of the run.
        gap: FLOPs between the cheapest and the dearest stitch that a group may hold, 1e9 as published.
        per_rank: whether every process draws its own stitch, as published, or all draw the same.
    """

    seed: Seed
    gap: NonNegativeFloat = 1e9
    per_rank: bool = True

    def start(self, flops: Mapping[Stitch, int]) -> None:
        tell_groups(flops, self.gap)

    def draw(self, flops: Mapping[Stitch, int], step: int, rank: int = 0) -> tuple[Stitch, ...]:
        groups = flops_groups(flops, self.gap)
        generator = generator_of(self.seed, step, rank, self.per_rank)
        return (generator.choice(generator.choice(groups)),)
