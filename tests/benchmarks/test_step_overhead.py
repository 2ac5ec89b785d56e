"""A training step of ours against a bare PyTorch loop over the same stitches, side by side in one process.

Run with ``python -m pytest -n 0 -m benchmark -s``; prints ratios, asserts nothing about time.
"""

import time
from statistics import median

import lightning as L
import pytest
import torch
from torch import nn

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import LogDrawnStitches, ReseedEveryStep, StopOnNonFiniteLoss
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule

ROUNDS, WARM, STEPS = 7, 5, 60
RECIPES = {unused: OptimizerRecipe("adamw", lr=1e-4, unused=unused) for unused in ("stand_still", "move")}
DEIT = ["deit_tiny_patch16_224", "deit_small_patch16_224"]
FAMILIES = {
    "digits, batch 64": (["digits_tiny", "digits_small", "digits_base"], (1, 8, 8), 64),
    "DeiT-Ti/S at 64x64, batch 8": (DEIT, (3, 64, 64), 8),
}


class Clock(L.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == WARM:
            self.start = time.perf_counter()
        self.end = time.perf_counter()


def net_and_data(family):
    names, input_size, batch_size = FAMILIES[family]
    torch.manual_seed(0)
    net = SNNet(create_anchors(names, input_size, 10, "random"), PairedRule())
    return net, DigitsDataModule(input_size, batch_size, num_workers=0, seed=1)


def ours(family, recipe, make_trainer):
    net, data = net_and_data(family)
    clock = Clock()
    callbacks = [ReseedEveryStep(1), StopOnNonFiniteLoss(), LogDrawnStitches(), clock]
    trainer = make_trainer(max_steps=STEPS, max_epochs=STEPS, limit_val_batches=0, callbacks=callbacks)
    trainer.fit(SNNetModule(net, UniformSampler(1), recipe), datamodule=data)
    return clock.end - clock.start


def bare(family, recipe):
    net, data = net_and_data(family)
    data.setup()
    loader, sampler, loss = data.train_dataloader(), UniformSampler(1), nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer, schedule = recipe.build(net, STEPS, len(loader), data.batch_size)
    net.train()
    step, flops = 0, dict.fromkeys(net.space, 1)
    while step < STEPS:
        for images, classes in loader:
            optimizer.zero_grad(set_to_none=recipe.unused == "stand_still")
            loss(net(images, *sampler.draw(flops, step)), classes).backward()
            optimizer.step()
            step += 1
            schedule.step_update(step)
            if step == WARM:
                start = time.perf_counter()
            if step == STEPS:
                break
    return time.perf_counter() - start


@pytest.mark.benchmark
@pytest.mark.parametrize("unused", RECIPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_overhead_of_a_step(family, unused, make_trainer):
    ratios, recipe = [], RECIPES[unused]
    for turn in range(ROUNDS):
        order = (bare, ours) if turn % 2 else (ours, bare)
        rest = {ours: (make_trainer,), bare: ()}
        seconds = {run: run(family, recipe, *rest[run]) for run in order}
        ratios.append(seconds[ours] / seconds[bare])
    each = 1000 * seconds[bare] / (STEPS - WARM)
    span = f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    print(f"\n{family}, {unused}: ours / bare {span}, bare {each:.1f} ms")
