"""One schedule after the other, each over its own phase of a training."""

from collections.abc import Mapping, Sequence
from typing import Any

from timm.scheduler.scheduler import Scheduler


class SchedulePerPhase:
    """Schedules of timm for one optimiser, of which every phase of a training has its own.

    Args:
        schedules: one a phase, counting updates from the phase's beginning.
        lengths: optimiser steps of every phase.
    """

    def __init__(self, schedules: Sequence[Scheduler], lengths: Sequence[int]):
        self.schedules, self.lengths = list(schedules), list(lengths)
        self.optimizer = schedules[0].optimizer

    def step_update(self, num_updates: int) -> None:
        """Set the learning rates after ``num_updates`` optimiser steps of the whole training."""
        phase = 0
        while phase < len(self.lengths) - 1 and num_updates >= self.lengths[phase]:
            num_updates -= self.lengths[phase]
            phase += 1
        self.schedules[phase].step_update(num_updates)

    def state_dict(self) -> dict[str, Any]:
        return {"phases": [schedule.state_dict() for schedule in self.schedules]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        for schedule, state in zip(self.schedules, state_dict["phases"], strict=True):
            schedule.load_state_dict(state)
