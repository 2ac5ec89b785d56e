"""Samplers: which stitch a training step draws."""

from snnet_lightning.sampler.uniform import UniformSampler

__all__ = ["UniformSampler"]
