"""Two processes train convolutions and calibrate them, each with images in an order of its own."""

from pathlib import Path

import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import CalibrateBatchNorm, LastCheckpoint
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import StagedRule
from tests.distributed.two_processes import make_trainer

SIZE, IMAGES, BATCH = (1, 16, 16), 100, 32


def make_net() -> SNNet:
    torch.manual_seed(0)
    kwargs, depths = {"channels": [8, 12, 16, 20]}, [{"layers": [1, 2, 1, 1]}, {"layers": [2, 2, 2, 1]}]
    return SNNet(create_anchors(["resnet18"] * 2, SIZE, 10, "checkpoint", kwargs, depths), StagedRule())


def main(directory: Path) -> None:
    module = SNNetModule(make_net(), UniformSampler(1), OptimizerRecipe("adamw", lr=1e-2, warmup_epochs=0))
    callbacks = CalibrateBatchNorm(IMAGES), LastCheckpoint(str(directory))
    trainer = make_trainer(*callbacks, limit_val_batches=1, enable_checkpointing=True, default_root_dir=directory)
    data = DigitsDataModule(SIZE, batch_size=BATCH)
    trainer.fit(module, datamodule=data)
    trainer.test(module, datamodule=data, verbose=False)
    torch.save(module.net.route_statistics.state_dict(), directory / f"statistics{trainer.global_rank}.pt")
    trainer.strategy.barrier()
