"""End a run whose loss is no number any more, before it can be saved."""

from typing import Any

import lightning as L
import torch

from snnet_lightning.errors import RunError
from snnet_lightning.model import SNNetModule


class StopOnNonFiniteLoss(L.Callback):
    """Looks at the losses every ``trainer.log_every_n_steps`` batches and before every checkpoint is written.

    Looking at each would make the device wait for each.

    Raises:
        RunError: a loss is NaN or infinite; names step, stitch and learning rates.
    """

    def __init__(self) -> None:
        self.unseen: list[tuple[torch.Tensor, int, tuple[int, ...], dict[str, float]]] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        self.unseen.clear()  # what another training left

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: SNNetModule, *batch: Any) -> None:
        self.rates = {group["name"]: group["lr"] for group in trainer.optimizers[0].param_groups}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: SNNetModule, outputs: dict[str, Any], batch: Any, batch_idx: int
    ) -> None:
        step = trainer.fit_loop.total_batch_idx
        self.unseen.append((outputs["loss"].detach(), step, outputs["stitches"], self.rates))
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # a connector sets it; 0: never
        if every and (step + 1) % every == 0:
            self._look(trainer, pl_module)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: SNNetModule, checkpoint: dict[str, Any]) -> None:
        self._look(trainer, pl_module)

    def _look(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if not self.unseen:
            return
        losses = torch.stack([loss for loss, *_ in self.unseen])
        finite = losses.isfinite().tolist()
        # All processes stop together; one alone would leave the others waiting for it.
        if trainer.strategy.reduce_boolean_decision(not all(finite), all=False):
            first = finite.index(False) if not all(finite) else 0
            loss, step, drawn, rates = self.unseen[first]
            names = " and ".join(pl_module.net.space[stitch].name for stitch in drawn)
            listed = ", ".join(f"{name} {rate:.3g}" for name, rate in rates.items())
            on_this = "" if not all(finite) else " on another process"
            raise RunError(
                f"the loss is {loss.item()}{on_this} at batch {step}, stitch {names}, learning rates {listed}; "
                "checkpoints hold the state before"
            )
        self.unseen.clear()
