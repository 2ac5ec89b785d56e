"""Callbacks that do as Ctrl-C does, of Hydra and of Lightning."""

import lightning as L
from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class Interrupts(Callback):
    def on_job_start(self, config: DictConfig, **_: object) -> None:
        raise KeyboardInterrupt


class InterruptsTraining(L.Callback):
    def on_train_batch_end(self, *_: object) -> None:
        raise KeyboardInterrupt
