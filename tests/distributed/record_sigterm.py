"""Trainings of two processes that SIGTERM ends: sent to both, as clusters do, or to the second alone."""

import os
import signal
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from snnet_lightning.callbacks import LastCheckpoint
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from tests.distributed.record_gradients import SEED, make_net
from tests.distributed.two_processes import make_trainer

STEP = 2  # the one that is under way
TOLD = {"both": (0, 1), "second": (1,)}


class Terminate(L.Callback):
    """Every process that is told is somewhere else in the step."""

    def __init__(self, told: tuple[int, ...]):
        self.told = told

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.tell(trainer, 0)

    def on_after_backward(self, trainer, module):
        self.tell(trainer, 1)

    def tell(self, trainer, rank):
        if trainer.global_rank == rank and rank in self.told and trainer.global_step + 1 == STEP:
            os.kill(os.getpid(), signal.SIGTERM)


def main(directory: Path) -> None:
    for name, told in TOLD.items():
        module = SNNetModule(make_net(), UniformSampler(SEED), OptimizerRecipe("adamw", lr=1e-2, warmup_epochs=0))
        callbacks = Terminate(told), LastCheckpoint(str(directory / name))
        trainer = make_trainer(*callbacks, limit_train_batches=5, limit_val_batches=0, enable_checkpointing=True)
        ended = None
        try:
            trainer.fit(module, datamodule=DigitsDataModule(batch_size=16, seed=SEED))
        except SIGTERMException as error:
            ended = {"status": error.code, "step": trainer.global_step}
        torch.save(ended, directory / f"{name}.{trainer.global_rank}.pt")
        trainer.strategy.barrier()
