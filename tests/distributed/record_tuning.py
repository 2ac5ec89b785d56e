"""Anchors tuned first, then stitches, in two processes; whole, and gone on from a step of either phase."""

from pathlib import Path

import lightning as L
import torch

from snnet_lightning.callbacks import InitialiseStitchingLayers
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from tests.distributed.record_gradients import SEED, Record, make_net
from tests.distributed.two_processes import make_trainer

STEPS = 4  # an epoch
SAVED = (STEPS - 1, STEPS + 2)  # one step of each phase


class Save(L.Callback):
    """Checkpoints of the steps to go on from."""

    def __init__(self, directory: Path):
        self.directory = directory

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.global_step in SAVED:
            trainer.save_checkpoint(self.directory / f"{trainer.global_step}.ckpt")


def train(name: str, directory: Path, *callbacks: L.Callback, ckpt_path: Path | None = None) -> None:
    recipe = OptimizerRecipe("adamw", lr=1e-2, weight_decay=0.1, warmup_epochs=0)
    module, record = SNNetModule(make_net(), UniformSampler(SEED), recipe, tuning_epochs=1), Record()
    trainer = make_trainer(
        InitialiseStitchingLayers(samples=1257),
        record,
        *callbacks,
        max_epochs=2,
        limit_train_batches=STEPS,
        limit_val_batches=0,
        default_root_dir=directory,
    )
    trainer.fit(module, datamodule=DigitsDataModule(batch_size=16, seed=SEED), ckpt_path=ckpt_path)
    found = {"drawn": record.drawn, "before": record.before, "end": record.after[-1]}
    torch.save(found, directory / f"{name}.{trainer.global_rank}.pt")
    trainer.strategy.barrier()


def main(directory: Path) -> None:
    train("whole", directory, Save(directory))
    for step in SAVED:
        train(f"from_{step}", directory, ckpt_path=directory / f"{step}.ckpt")
