"""Samplers: which stitches a training step draws."""

from snnet_lightning.sampler.anchors_in_turn import AnchorsInTurn
from snnet_lightning.sampler.flops_grouped import FlopsGroupedSampler
from snnet_lightning.sampler.importance import ImportanceSampler
from snnet_lightning.sampler.sampler import Sampler
from snnet_lightning.sampler.sandwich import SandwichSampler
from snnet_lightning.sampler.single import SingleSampler
from snnet_lightning.sampler.uniform import UniformSampler

__all__ = [
    "AnchorsInTurn",
    "FlopsGroupedSampler",
    "ImportanceSampler",
    "Sampler",
    "SandwichSampler",
    "SingleSampler",
    "UniformSampler",
]
