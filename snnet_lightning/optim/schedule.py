"""Warm-up and cosine decay, timm's, in steps or epochs, on time or late."""

from typing import Any

from timm.scheduler import CosineLRScheduler
from torch.optim import Optimizer


class Schedule(CosineLRScheduler):
    """Is told of optimiser steps, whatever it counts.

    Args:
        steps_per_count: optimiser steps after which it counts one on: 1, or those of an epoch.
        lag: by how many counts it runs late.
        options: of timm's schedule, its times in counts.
    """

    def __init__(self, optimizer: Optimizer, steps_per_count: int, lag: int, **options: Any):
        super().__init__(optimizer, t_in_epochs=False, **options)
        self.steps_per_count, self.lag = steps_per_count, lag

    def step_update(self, num_updates: int, metric: float | None = None) -> None:
        """Set the rates of the step that follows on ``num_updates`` of them."""
        super().step_update(max(0, num_updates // self.steps_per_count - self.lag), metric)
