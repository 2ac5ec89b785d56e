"""Accumulated gradients, and training in mixed precision."""

import copy

import lightning as L
import pytest
import torch

from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler

RECIPE = OptimizerRecipe("sgd", lr=1e-2, warmup_epochs=0)
MICRO_BATCHES = 3


class Recorder(L.Callback):
    """Notes batches, the stitches drawn for them, and the gradients that each optimiser step gets."""

    def __init__(self):
        self.batches, self.drawn, self.gradients = [], [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.batches.append(batch)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.drawn.append(tuple(module.net.space[i] for i in outputs["stitches"]))

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.gradients.append({n: p.grad.clone() for n, p in module.net.named_parameters() if p.grad is not None})


@pytest.fixture
def module(digits_net):
    return SNNetModule(digits_net, UniformSampler(seed=3), RECIPE)


def test_every_micro_batch_draws_a_stitch_and_the_step_takes_their_mean_gradient(module, make_trainer):
    before = copy.deepcopy(module.net).train()
    recorder = Recorder()
    trainer = make_trainer(
        max_epochs=1,
        limit_train_batches=2 * MICRO_BATCHES,
        limit_val_batches=0,
        accumulate_grad_batches=MICRO_BATCHES,
        callbacks=[recorder],
    )
    trainer.fit(module, datamodule=DigitsDataModule(batch_size=16))
    assert recorder.drawn == [module.sampler.draw(module.trained_flops, i) for i in range(2 * MICRO_BATCHES)]
    assert len(set(recorder.drawn[:MICRO_BATCHES])) == MICRO_BATCHES
    assert len(recorder.gradients) == 2

    mean = {}
    for (images, classes), (stitch,) in zip(recorder.batches[:MICRO_BATCHES], recorder.drawn, strict=False):
        before.zero_grad()
        module.loss(before(images, stitch), classes).backward()
        for name, parameter in before.named_parameters():
            if parameter.grad is not None:
                mean[name] = mean.get(name, 0) + parameter.grad / MICRO_BATCHES
    assert recorder.gradients[0].keys() == mean.keys()
    for name, gradient in mean.items():
        torch.testing.assert_close(recorder.gradients[0][name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_mixed_precision_computes_in_bfloat16_and_keeps_parameters_in_float32(module, make_trainer):
    before = copy.deepcopy(module.net.state_dict())
    seen = set()
    for layer in (*module.net.stitching_layers.values(), *(anchor.model.head for anchor in module.net.anchors)):
        layer.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    recorder = Recorder()
    options = {"precision": "bf16-mixed", "limit_train_batches": 2, "limit_val_batches": 0, "callbacks": [recorder]}
    make_trainer(max_epochs=1, **options).fit(module, datamodule=DigitsDataModule())
    assert seen == {torch.bfloat16}
    assert len(recorder.gradients) == 2
    assert all(g.dtype == torch.float32 and g.isfinite().all() for step in recorder.gradients for g in step.values())
    state = module.net.state_dict()
    assert {value.dtype for value in state.values()} == {torch.float32}
    moved = {name for name in state if not torch.equal(state[name], before[name])}
    assert moved == {name for step in recorder.gradients for name in step}
