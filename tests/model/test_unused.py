"""What a step does not use stands still, or moves by momentum and decay, from its first use on."""

import copy

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import AverageWeights
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import ImportanceSampler, UniformSampler
from snnet_lightning.stitch import PairedRule

OPTIMISERS = {
    "adamw": {},
    "lamb": {},
    "sgd": {"momentum": 0.9},
    "sgd, no state": {"momentum": 0.0, "nesterov": False},
}


def make(optimiser="adamw", unused="move", sampler=None, seed=0):
    torch.manual_seed(seed)
    net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule())
    kwargs = OPTIMISERS[optimiser]
    opt = optimiser.split(",")[0]
    recipe = OptimizerRecipe(opt, lr=1e-2, weight_decay=0.1, warmup_epochs=0, unused=unused, opt_kwargs=kwargs)
    return SNNetModule(net, sampler or UniformSampler(seed=3), recipe)


class Watch(L.Callback):
    """Batches, draws, and the weights after every optimiser step."""

    def __init__(self):
        self.batches, self.drawn, self.weights = [], [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.batches.append(batch)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.drawn.append(outputs["stitches"])
        self.weights.append(copy.deepcopy(module.net.state_dict()))


@pytest.fixture
def fit(make_trainer):
    def run(module, batches=4, epochs=2, callbacks=(), ckpt_path=None, **options):
        watch = Watch()
        trainer = make_trainer(
            max_epochs=epochs,
            limit_train_batches=batches,
            limit_val_batches=0,
            callbacks=[watch, *callbacks],
            **options,
        )
        trainer.fit(module, datamodule=DigitsDataModule(batch_size=16, seed=1), ckpt_path=ckpt_path)
        return watch

    return run


def by_hand(module, watch, accumulated):
    """A bare loop over the same batches and draws, where the optimiser sets gradients to zero, or drops them."""
    net, recipe, steps = module.net.train(), module.optim, len(watch.batches) // accumulated
    optimizer, schedule = recipe.build(net, steps, steps // 2, 16)
    for i, ((images, classes), drawn) in enumerate(zip(watch.batches, watch.drawn, strict=True)):
        (module.loss(net(images, *drawn), classes) / accumulated).backward()
        if (i + 1) % accumulated == 0:
            optimizer.step()
            optimizer.zero_grad(set_to_none=recipe.unused == "stand_still")
            schedule.step_update((i + 1) // accumulated)
    return net.state_dict()


@pytest.mark.parametrize("unused", ["stand_still", "move"])
@pytest.mark.parametrize(("optimiser", "accumulated"), [*((name, 1) for name in OPTIMISERS), ("adamw", 2)])
def test_both_modes_are_those_of_a_bare_loop(fit, optimiser, unused, accumulated):
    module = make(optimiser, unused)
    expected = copy.deepcopy(module)
    watch = fit(module, accumulate_grad_batches=accumulated)
    for name, value in by_hand(expected, watch, accumulated).items():
        torch.testing.assert_close(watch.weights[-1][name], value, rtol=1e-5, atol=1e-7, msg=name)


def test_they_differ_by_what_was_used_before(fit):
    used, start = set(), copy.deepcopy(make().net)
    watch = fit(make())
    for drawn, before, after in zip(watch.drawn[1:], watch.weights, watch.weights[1:], strict=False):
        run = {id(p) for i in drawn for p in start.parameters_of(start.space[i])}
        names = {name for name, parameter in start.named_parameters() if id(parameter) in run}
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        if used:
            assert moved >= used
            assert moved <= used | names
        used = moved
    assert len(used) < len(before)


@pytest.mark.parametrize(("optimiser", "ema"), [("adamw", False), ("adamw", True), ("sgd, no state", False)])
@pytest.mark.parametrize("unused", ["stand_still", "move"])
def test_a_resumed_run_ends_the_same_bit_by_bit(fit, tmp_path, optimiser, unused, ema):
    average = [AverageWeights(0.7)] if ema else []
    every = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=3)
    straight = fit(make(optimiser, unused), callbacks=[every, *average], enable_checkpointing=True)
    average = [AverageWeights(0.7)] if ema else []
    again = fit(make(optimiser, unused, seed=5), callbacks=average, ckpt_path=str(tmp_path / "step=3.ckpt"))
    assert len(again.weights) == 5
    for name, value in straight.weights[-1].items():
        assert torch.equal(value, again.weights[-1][name]), name


def test_a_second_training_of_a_network_begins_with_nothing_used(fit):
    module = make()
    fit(module, batches=2, epochs=1)
    watch = fit(SNNetModule(module.net, UniformSampler(seed=3), module.optim), batches=1, epochs=1)
    assert watch.drawn
    run = {id(p) for p in module.net.parameters_of(*(module.net.space[i] for i in watch.drawn[0]))}
    assert {id(p) for p in module.net.parameters() if p.grad is not None} <= run


def test_importance_is_that_of_what_a_step_ran(fit):
    found = []
    for unused in ("stand_still", "move"):
        module = make("sgd, no state", unused, ImportanceSampler(seed=1, gap=0))
        module.optim = OptimizerRecipe("sgd", lr=0.0, warmup_epochs=0, warmup_lr=0, min_lr=0, unused=unused)
        fit(module)
        found.append(module.sampler.importance)
    assert found[0].keys() == found[1].keys()
    assert list(found[0].values()) == pytest.approx(list(found[1].values()), rel=1e-9)


@pytest.mark.parametrize("wrong", ["text", [3], [["x"]], ["anchors.9.model.cls_token"]])
def test_what_moves_is_checked_in_a_file(fit, tmp_path, wrong):
    every = ModelCheckpoint(tmp_path, "x", save_top_k=-1, every_n_train_steps=3)
    fit(make(), batches=3, epochs=1, callbacks=[every], enable_checkpointing=True)
    content = torch.load(tmp_path / "x.ckpt", weights_only=True)
    assert content["moving"]
    torch.save(content | {"moving": wrong}, tmp_path / "y.ckpt")
    with pytest.raises(InputError, match=r"moving has .* which is no trained parameter, so training cannot go on"):
        fit(make(), ckpt_path=str(tmp_path / "y.ckpt"))
