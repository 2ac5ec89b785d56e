"""Optimiser with warm-up and cosine decay per step, both timm's."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch.optim import Optimizer

from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.optim.groups import parameter_groups
from snnet_lightning.optim.phases import SchedulePerPhase

log = logging.getLogger(__name__)

Rate = Literal["lr", "warmup_lr", "min_lr"]


@dataclass(frozen=True)
class OptimizerRecipe:
    """How an SN-Net is optimised; names as in timm's training script.

    Args:
        opt: timm's name of the optimiser.
        lr: peak learning rate, at a scale of 1.
        weight_decay: decay of what is decayed at all.
        anchor_lr_scale, stitch_lr_scale: factor on the learning rate (warm-up and minimum included) of each group.
        warmup_epochs: epochs of linear warm-up, counted in the phase's length; may be a fraction.
        warmup_lr: learning rate at the first step.
        min_lr: learning rate at the end of the cosine.
        lr_base_batch: images per optimiser step that the rates are meant for; those in ``scaled_rates`` are multiplied
            by the run's own number over this one. None takes all rates as they are.
        scaled_rates: some of lr, warmup_lr and min_lr.
        agc_clip_factor: gradients are clipped adaptively at this factor; see ``clip_adaptively``. None: they are not.
        opt_kwargs: further keyword arguments of the optimiser (``betas``, ``momentum``, ...).

    """

    opt: str
    lr: NonNegativeFloat
    weight_decay: NonNegativeFloat = 0.05
    anchor_lr_scale: NonNegativeFloat = 1.0
    stitch_lr_scale: NonNegativeFloat = 1.0
    warmup_epochs: NonNegativeFloat = 5
    warmup_lr: NonNegativeFloat = 1e-7
    min_lr: NonNegativeFloat = 1e-6
    lr_base_batch: PositiveInt | None = None
    scaled_rates: tuple[Rate, ...] = ("lr",)
    agc_clip_factor: PositiveFloat | None = None
    opt_kwargs: dict[str, Any] = field(default_factory=dict)

    def rates(self, global_batch: int | None) -> dict[str, float]:
        """lr, warmup_lr and min_lr of a run of ``global_batch`` images per optimiser step."""
        factor = 1 if self.lr_base_batch is None else global_batch / self.lr_base_batch
        return {name: getattr(self, name) * (factor if name in self.scaled_rates else 1) for name in get_args(Rate)}

    def build(
        self, net: SNNet, total_steps: int, steps_per_epoch: int, global_batch: int | None, tuning_steps: int = 0
    ) -> tuple[Optimizer, CosineLRScheduler | SchedulePerPhase]:
        """The optimiser, and its schedule.

        Args:
            net: what is optimised.
            total_steps, steps_per_epoch: optimiser steps.
            global_batch: images of an optimiser step; None, not known, where no rate is scaled with it.
            tuning_steps: of all steps the first ones, which have a warm-up and a cosine of their own.

        Raises:
            InputError: timm has no such optimiser.
        """
        rates = self.rates(global_batch)
        if self.lr_base_batch is None or "lr" not in self.scaled_rates:
            log.info("learning rate %g, not scaled with the global batch %s", self.lr, global_batch or "size")
        else:
            arguments = rates["lr"], self.lr, global_batch, self.lr_base_batch, global_batch
            log.info("learning rate %g = %g x %d/%d (global batch %d)", *arguments)
        groups = parameter_groups(net, self.weight_decay, self.anchor_lr_scale, self.stitch_lr_scale)
        try:
            optimizer = create_optimizer_v2(
                groups, opt=self.opt, lr=rates["lr"], weight_decay=self.weight_decay, **self.opt_kwargs
            )
        except Exception as error:  # whatever an optimiser makes of options that it does not check
            raise InputError(f"optim.opt={self.opt}: {error} (see timm.optim.list_optimizers())") from error
        if not tuning_steps:
            return optimizer, self._schedule(optimizer, total_steps, steps_per_epoch, rates)
        # Where training ends in the first phase, the second is not reached, but needs a length.
        phases = [tuning_steps, total_steps - tuning_steps] if tuning_steps < total_steps else [total_steps] * 2
        schedules = [self._schedule(optimizer, steps, steps_per_epoch, rates) for steps in phases]
        return optimizer, SchedulePerPhase(schedules, phases)

    def _schedule(
        self, optimizer: Optimizer, steps: int, steps_per_epoch: int, rates: Mapping[str, float]
    ) -> CosineLRScheduler:
        return CosineLRScheduler(
            optimizer,
            t_initial=max(1, steps),
            lr_min=rates["min_lr"],
            warmup_t=min(round(self.warmup_epochs * steps_per_epoch), steps),
            warmup_lr_init=rates["warmup_lr"],
            t_in_epochs=False,
        )
