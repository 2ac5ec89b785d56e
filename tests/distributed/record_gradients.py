"""A few DDP steps of an SN-Net in two processes, every process noting what its steps did."""

from pathlib import Path

import lightning as L
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import InitialiseStitchingLayers
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import ImportanceSampler, SandwichSampler, UniformSampler
from snnet_lightning.stitch import PairedRule
from tests.distributed.two_processes import make_trainer

SEED, STEPS, BATCH = 5, 5, 16


def make_net() -> SNNet:
    torch.manual_seed(0)
    return SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule())


class Record(L.Callback):
    """What was drawn, weights before and after every step, and the gradients that the optimiser saw."""

    def __init__(self):
        self.before, self.gradients, self.after, self.drawn = [], [], [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.before.append(copy_of(module.net.state_dict()))

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.gradients.append(copy_of({name: p.grad for name, p in module.net.named_parameters()}))

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.after.append(copy_of(module.net.state_dict()))
        self.drawn.append(list(outputs["stitches"]))


def copy_of(tensors):
    return {name: None if tensor is None else tensor.detach().clone() for name, tensor in tensors.items()}


SAMPLERS = {
    "per_rank": UniformSampler(SEED),
    "shared": UniformSampler(SEED, per_rank=False),
    "sandwich": SandwichSampler(SEED, random_stitches=2),
    "importance": ImportanceSampler(SEED),
    "move": UniformSampler(SEED),
}


def train(name: str, directory: Path) -> None:
    unused = "move" if name == "move" else "stand_still"
    recipe = OptimizerRecipe("adamw", lr=1e-2, weight_decay=0.1, warmup_epochs=0, unused=unused)
    module = SNNetModule(make_net(), SAMPLERS[name], recipe)
    record = Record()
    initialise = InitialiseStitchingLayers("refined", steps=2)  # whose gradients are no step's
    trainer = make_trainer(
        initialise, record, limit_train_batches=STEPS, limit_val_batches=0, default_root_dir=directory
    )
    trainer.fit(module, datamodule=DigitsDataModule(batch_size=BATCH, seed=SEED))
    steps = {"before": record.before, "gradients": record.gradients, "after": record.after, "drawn": record.drawn}
    torch.save(steps, directory / f"{name}.{trainer.global_rank}.pt")
    trainer.strategy.barrier()


def main(directory: Path) -> None:
    for name in SAMPLERS:
        train(name, directory)
