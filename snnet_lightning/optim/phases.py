"""One schedule after the other, each over its own phase of a training."""

from collections.abc import Mapping, Sequence
from typing import Any

from timm.scheduler.scheduler import Scheduler

from snnet_lightning.errors import InputError


class SchedulePerPhase:
    """Schedules of timm for one optimiser, of which every phase of a training has its own.

    Args:
        schedules: one a phase, counting from the phase's beginning.
        lengths: optimiser steps of every phase.
        steps_per_count: optimiser steps after which a schedule counts one on: 1, or those of an epoch.
        lag: by how many counts it runs late.
    """

    def __init__(self, schedules: Sequence[Scheduler], lengths: Sequence[int], steps_per_count: int, lag: int):
        self.schedules, self.lengths = list(schedules), list(lengths)
        self.steps_per_count, self.lag = steps_per_count, lag
        self.optimizer = schedules[0].optimizer

    def step_update(self, num_updates: int) -> None:
        """Set the learning rates after ``num_updates`` optimiser steps of the whole training."""
        phase = 0
        while phase < len(self.lengths) - 1 and num_updates >= self.lengths[phase]:
            num_updates -= self.lengths[phase]
            phase += 1
        self.schedules[phase].step_update(max(0, num_updates // self.steps_per_count - self.lag))

    def state_dict(self) -> dict[str, Any]:
        return {"lengths": self.lengths}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on with a training; its last phase may be given another length.

        Raises:
            InputError: it had other phases before.
        """
        if state_dict["lengths"][:-1] != self.lengths[:-1]:
            raise InputError(
                "ckpt_path: is of a training with other tuning.epochs, or other steps in an epoch; give these again, "
                "or start a new training from its weights with init_from"
            )
