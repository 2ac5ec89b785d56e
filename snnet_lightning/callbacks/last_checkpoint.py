"""The checkpoint from which a run goes on that was killed."""

import logging
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from pydantic import PositiveInt

from snnet_lightning.checkpoints.resume import FILENAME

log = logging.getLogger(__name__)


class LastCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` at the end of every epoch, and on SIGTERM, after the optimiser step that is under way.

    Lightning's ModelCheckpoint saves either by epochs or by steps, but an epoch's end has to be saved in any case. As
    that does, this writes nothing with ``trainer.fast_dev_run``.

    Args:
        directory: where it goes.
        every_n_train_steps: also after so many optimiser steps; None: not.
    """

    def __init__(self, directory: str, every_n_train_steps: PositiveInt | None = None):
        self.path, self.every_n_train_steps = Path(directory) / FILENAME, every_n_train_steps

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.saved_step, self.terminated = 0, False
        if trainer.world_size > 1:
            # Lightning's handler waits for those of the other processes, which may be waiting for this one elsewhere.
            trainer._signal_connector._register_signal(signal.SIGTERM, self._terminate)

    def _terminate(self, signum: int, frame: FrameType | None) -> None:
        log.info("received SIGTERM")
        self.terminated = True

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # A checkpoint holds no gradients, so Lightning hears of SIGTERM when those that it accumulates are taken.
        signals = trainer._signal_connector
        self.terminated = self.terminated or signals.received_sigterm
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        # All processes end after the same step, whichever heard of it.
        signals.received_sigterm = stepped and trainer.strategy.reduce_boolean_decision(self.terminated, all=False)
        step = trainer.global_step
        if self.every_n_train_steps and step != self.saved_step and step % self.every_n_train_steps == 0:
            self.saved_step = step
            self._save(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._save(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException):
            exception.code = 128 + signal.SIGTERM  # as shells have it; Lightning's own is that of success
            if trainer.state.fn == TrainerFn.FITTING:
                self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # a connector sets it
            trainer.save_checkpoint(self.path, weights_only=False)
