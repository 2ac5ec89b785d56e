"""Optimiser with warm-up and cosine decay, both timm's."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
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
        decay_positions: decay what the anchors' own ``no_weight_decay()`` spares: class tokens, embeddings and biases
            of positions.
        decay_stitch_biases: decay the biases of the stitching layers.
        unused: what becomes of parameters that a step does not use: they ``move``, from their first use on, by momentum
            and decay, as where gradients are set to zero instead of dropped (torch before 2.0), or ``stand_still``.
        anchor_lr_scale, stitch_lr_scale: factor on the learning rate (warm-up and minimum included) of each group.
        warmup_epochs: epochs of linear warm-up, counted in the phase's length; may be a fraction.
        warmup_lr: learning rate at the first step.
        min_lr: learning rate at the end of the cosine.
        warmup_prefix: the cosine begins after the warm-up and spans what is left; false: it spans the whole run, and is
            joined after the warm-up.
        sched_on_updates: the rates change with every optimiser step; false: with every epoch.
        sched_lag: by how many steps, or epochs, the schedule runs late: 1 where published code calls it with the number
            of the one just done, counted from 0.
        lr_base_batch: images per optimiser step that the rates are meant for; those in ``scaled_rates`` are multiplied
            by the run's own number over this one. None takes all rates as they are.
        scaled_rates: some of lr, warmup_lr and min_lr.
        agc_clip_factor: gradients are clipped adaptively at this factor; see ``clip_adaptively``. None: they are not.
        agc_spares_classifiers: adaptive clipping leaves the classifiers alone.
        opt_kwargs: further keyword arguments of the optimiser (``betas``, ``momentum``, ...).
    """

    opt: str
    lr: NonNegativeFloat
    weight_decay: NonNegativeFloat = 0.05
    decay_positions: bool = False
    decay_stitch_biases: bool = False
    unused: Literal["stand_still", "move"] = "stand_still"
    anchor_lr_scale: NonNegativeFloat = 1.0
    stitch_lr_scale: NonNegativeFloat = 1.0
    warmup_epochs: NonNegativeFloat = 5
    warmup_lr: NonNegativeFloat = 1e-7
    min_lr: NonNegativeFloat = 1e-6
    warmup_prefix: bool = False
    sched_on_updates: bool = True
    sched_lag: NonNegativeInt = 0
    lr_base_batch: PositiveInt | None = None
    scaled_rates: tuple[Rate, ...] = ("lr",)
    agc_clip_factor: PositiveFloat | None = None
    agc_spares_classifiers: bool = True
    opt_kwargs: dict[str, Any] = field(default_factory=dict)

    def rates(self, global_batch: int | None) -> dict[str, float]:
        """lr, warmup_lr and min_lr of a run of ``global_batch`` images per optimiser step."""
        factor = 1 if self.lr_base_batch is None else global_batch / self.lr_base_batch  # type: ignore[operator]  # known then
        return {name: getattr(self, name) * (factor if name in self.scaled_rates else 1) for name in get_args(Rate)}

    def build(
        self, net: SNNet, total_steps: int, steps_per_epoch: int, global_batch: int | None, tuning_steps: int = 0
    ) -> tuple[Optimizer, SchedulePerPhase]:
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
        groups = parameter_groups(
            net,
            self.weight_decay,
            self.anchor_lr_scale,
            self.stitch_lr_scale,
            self.decay_positions,
            self.decay_stitch_biases,
        )
        try:
            optimizer = create_optimizer_v2(
                groups, opt=self.opt, lr=rates["lr"], weight_decay=self.weight_decay, **self.opt_kwargs
            )
        except Exception as error:  # whatever an optimiser makes of options that it does not check
            raise InputError(f"optim.opt={self.opt}: {error} (see timm.optim.list_optimizers())") from error
        lengths = [tuning_steps, max(0, total_steps - tuning_steps)]
        # Where training ends in the first phase, that has its cosine until then. A phase without steps needs a length
        # too: every schedule sets the rates as it is made.
        steps_of_each = max(1, min(tuning_steps, total_steps)), max(1, lengths[1])
        steps_per_count, counts_per_epoch = (1, steps_per_epoch) if self.sched_on_updates else (steps_per_epoch, 1)
        schedules = [
            self._schedule(optimizer, -(-steps // steps_per_count), counts_per_epoch, rates) for steps in steps_of_each
        ]
        return optimizer, SchedulePerPhase(schedules, lengths, steps_per_count, self.sched_lag)

    def _schedule(
        self, optimizer: Optimizer, total: int, counts_per_epoch: int, rates: Mapping[str, float]
    ) -> CosineLRScheduler:
        """That of a phase of ``total`` counts, which are steps or epochs."""
        warmup = min(round(self.warmup_epochs * counts_per_epoch), total)
        length = total - warmup if self.warmup_prefix else total
        return CosineLRScheduler(
            optimizer,
            t_in_epochs=False,
            t_initial=max(2, length),  # timm warns of 1, whose only rate is the same
            lr_min=rates["min_lr"],
            warmup_t=warmup,
            warmup_lr_init=rates["warmup_lr"],
            warmup_prefix=self.warmup_prefix,
        )
