"""Optimiser with warm-up and cosine decay per step, both timm's."""

from dataclasses import dataclass, field
from typing import Any

from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from torch.optim import Optimizer

from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.optim.groups import parameter_groups


@dataclass(frozen=True)
class OptimizerRecipe:
    """How an SN-Net is optimised; names as in timm's training script.

    Args:
        opt: timm's name of the optimiser.
        lr: peak learning rate, at a scale of 1.
        weight_decay: decay of what is decayed at all.
        anchor_lr_scale, stitch_lr_scale: factor on the learning rate (warm-up and minimum included) of each group.
        warmup_epochs: epochs of linear warm-up, counted in the run's length; may be a fraction.
        warmup_lr: learning rate at the first step.
        min_lr: learning rate at the end of the cosine.
        opt_kwargs: further keyword arguments of the optimiser (``betas``, ``momentum``, ...).
    """

    opt: str
    lr: float
    weight_decay: float = 0.05
    anchor_lr_scale: float = 1.0
    stitch_lr_scale: float = 1.0
    warmup_epochs: float = 5
    warmup_lr: float = 1e-7
    min_lr: float = 1e-6
    opt_kwargs: dict[str, Any] = field(default_factory=dict)

    def build(self, net: SNNet, total_steps: int, steps_per_epoch: int) -> tuple[Optimizer, CosineLRScheduler]:
        """The optimiser, and the schedule over ``total_steps`` optimiser steps.

        Raises:
            InputError: timm has no such optimiser.
        """
        groups = parameter_groups(net, self.weight_decay, self.anchor_lr_scale, self.stitch_lr_scale)
        try:
            optimizer = create_optimizer_v2(
                groups, opt=self.opt, lr=self.lr, weight_decay=self.weight_decay, **self.opt_kwargs
            )
        except (AssertionError, ValueError, TypeError) as error:
            raise InputError(f"optim.opt={self.opt}: {error} (see timm.optim.list_optimizers())") from error
        schedule = CosineLRScheduler(
            optimizer,
            t_initial=max(1, total_steps),
            lr_min=self.min_lr,
            warmup_t=min(round(self.warmup_epochs * steps_per_epoch), total_steps),
            warmup_lr_init=self.warmup_lr,
            t_in_epochs=False,
        )
        return optimizer, schedule
