"""Stitches that move the loss most, more often: our own reading of ESTA (He et al., CVPR 2024), not its code."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat
from torch import nn

from snnet_lightning.checked import Seed
from snnet_lightning.float64 import in_float64
from snnet_lightning.sampler.flops_grouped import flops_groups, tell_groups
from snnet_lightning.sampler.sampler import Sampler, generator_of
from snnet_lightning.stitch.route import Stitch


@dataclass(eq=False)
class ImportanceSampler(Sampler):
    """Draws a group of about equal FLOPs uniformly, and in it a stitch by the softmax of its importance.

    The importance of a stitch is the mean of ``abs(w * dL/dw)`` over its trained parameters, averaged exponentially
    over the optimiser steps that drew it. It is standardised within the group, for its size is that of the gradients; a
    stitch without one yet stands at the group's mean. All processes draw the same stitch, and all batches of an
    optimiser step do, so that its gradients are those of one stitch.

    Args:
        seed: seed of the run.
        gap: FLOPs between the cheapest and the dearest stitch that a group may hold.
        warmup_draws: uniform draws first, so many for every stitch on average.
        decay: share of the earlier average that stays at each observation, 0 to 1 (without 1).
        temperature: divides the standardised importance; the higher, the closer to uniform; above 0.
    """

    seed: Seed
    gap: NonNegativeFloat = 1e9
    warmup_draws: NonNegativeInt = 5
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.9
    temperature: PositiveFloat = 1.0
    steps: int = field(default=0, init=False)  # optimiser steps observed
    importance: dict[int, float] = field(default_factory=dict, init=False)  # by id of the stitch

    def start(self, flops: Mapping[Stitch, int]) -> None:
        tell_groups(flops, self.gap)

    def draw(self, flops: Mapping[Stitch, int], step: int, rank: int = 0) -> tuple[Stitch, ...]:
        """As for all samplers; the optimiser steps observed so far count, not ``step``."""
        generator = generator_of(self.seed, self.steps, rank, per_rank=False)
        if self.steps < self.warmup_draws * len(flops):
            return (generator.choice(list(flops)),)
        group = generator.choice(flops_groups(flops, self.gap))
        return tuple(generator.choices(group, self.probabilities(group)))

    def probabilities(self, group: Sequence[Stitch]) -> list[float]:
        """Of every stitch of a group, once the group is drawn."""
        known = [self.importance[stitch.id] for stitch in group if stitch.id in self.importance]
        mean = sum(known) / max(1, len(known))
        spread = math.sqrt(sum((value - mean) ** 2 for value in known) / max(1, len(known))) or 1.0
        scores = [(self.importance.get(stitch.id, mean) - mean) / spread / self.temperature for stitch in group]
        weights = [math.exp(score - max(scores)) for score in scores]
        return [weight / sum(weights) for weight in weights]

    def observe(self, drawn: Sequence[Stitch], parameters: Iterable[nn.Parameter]) -> None:
        self.steps += 1
        value = mean_importance(parameters)
        if math.isfinite(value):  # with scaled gradients (16-mixed) some overflow, and their step is left out
            (stitch,) = drawn
            before = self.importance.get(stitch.id, value)
            self.importance[stitch.id] = self.decay * before + (1 - self.decay) * value

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "importance": dict(self.importance)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps, self.importance = state.get("steps", 0), dict(state.get("importance", {}))


@torch.no_grad()
def mean_importance(parameters: Iterable[nn.Parameter]) -> float:
    """Mean of ``abs(w * dL/dw)`` over all parameters that have a gradient."""
    used = [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]
    total = torch.stack([in_float64((parameter * gradient).abs()).sum() for parameter, gradient in used]).sum()
    return total.item() / sum(parameter.numel() for parameter, _ in used)
