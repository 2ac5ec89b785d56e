"""A Hydra callback that does as Ctrl-C does."""

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class Interrupts(Callback):
    def on_job_start(self, config: DictConfig, **_: object) -> None:
        raise KeyboardInterrupt
