"""Training through a real Trainer: what moves, what is drawn, what is validated, what is logged."""

import csv

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger

from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch.route import Layer

RECIPE = OptimizerRecipe("adamw", lr=1e-2, weight_decay=0.1, anchor_lr_scale=0.1, warmup_epochs=0)


class WatchSteps(L.Callback):
    """Notes which parameters every training step moved."""

    def __init__(self):
        self.moved = []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.before = {name: p.detach().clone() for name, p in module.net.named_parameters()}

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        now = module.net.named_parameters()
        self.moved.append({name for name, p in now if not torch.equal(p, self.before[name])})


@pytest.fixture
def module(digits_net):
    return SNNetModule(digits_net, UniformSampler(seed=3), RECIPE)


def parameters_of(net, part):
    if isinstance(part, Layer):
        return net.stitching_layers["_".join(map(str, part.key))].parameters()
    return net.anchors[part.anchor].parameters_of(part)


def test_a_step_moves_the_drawn_stitch_and_nothing_else(module, make_trainer):
    """Weight decay and AdamW's momentum would move what earlier steps used, had it a gradient of zeros."""
    watch, steps = WatchSteps(), 12
    trainer = make_trainer(max_epochs=2, limit_train_batches=6, limit_val_batches=0, callbacks=[watch])
    trainer.fit(module, datamodule=DigitsDataModule())
    drawn = [UniformSampler(seed=3).draw(module.trained_flops, step)[0] for step in range(steps)]
    assert len(set(drawn)) > 6
    names = {id(p): name for name, p in module.net.named_parameters()}
    expected = [{names[id(p)] for part in s.route for p in parameters_of(module.net, part)} for s in drawn]
    assert watch.moved == expected


def test_validated_are_the_anchors_and_stitches_over_the_whole_flops_range(digits_net):
    module = SNNetModule(digits_net, UniformSampler(seed=3), RECIPE, validation_stitches=4)
    chosen = module.validation_stitches
    assert chosen[:3] == list(digits_net.space.anchors)
    flops = sorted(module.costs[s].flops for s in digits_net.space if not s.is_anchor)
    quarters = [flops.index(module.costs[s].flops) // 8 for s in chosen[3:]]
    assert quarters == [0, 1, 2, 3]


@pytest.mark.parametrize(("asked", "validated"), [(0, 3), (1, 4), (32, 35), (1000, 35)])
def test_as_many_stitches_are_validated_as_there_are(digits_net, asked, validated):
    module = SNNetModule(digits_net, UniformSampler(seed=3), RECIPE, validation_stitches=asked)
    assert len(module.validation_stitches) == len(set(module.validation_stitches)) == validated


@torch.no_grad()
def test_validation_scores_are_those_of_the_stitches(module, make_trainer):
    trainer, data = make_trainer(), DigitsDataModule()
    (metrics,) = trainer.validate(module, datamodule=data, verbose=False)
    images, classes = (
        torch.stack(column) for column in zip(*data.test_set.__getitems__([Draw(i) for i in range(540)]), strict=True)
    )
    acc1 = [100 * (module.net(images, s).argmax(1) == classes).double().mean() for s in module.validation_stitches]
    for stitch, expected in zip(module.net.space.anchors, acc1, strict=False):
        assert metrics[f"val/acc1/{stitch.name}"] == pytest.approx(expected.item(), abs=1e-3)
    assert metrics["val/acc1"] == pytest.approx(torch.stack(acc1).mean().item(), abs=0.05)


def test_all_that_is_logged_is_known_before(module, make_trainer):
    trainer, data = make_trainer(max_epochs=1, limit_train_batches=1), DigitsDataModule()
    trainer.fit(module, datamodule=data)
    logged = set(trainer.callback_metrics)
    trainer.test(module, datamodule=data, verbose=False)
    assert sorted(logged | set(trainer.callback_metrics)) == sorted(module.metric_names)


def test_learning_rates_of_every_group_are_logged_at_every_step(module, make_trainer, tmp_path):
    module.optim = OptimizerRecipe("adamw", lr=1e-2, anchor_lr_scale=0.1, warmup_epochs=0.8, warmup_lr=0, min_lr=0)
    logger = CSVLogger(tmp_path, name="", version="")
    monitor = LearningRateMonitor(logging_interval="step")
    trainer = make_trainer(
        max_epochs=1,
        limit_train_batches=5,
        limit_val_batches=0,
        logger=logger,
        callbacks=[monitor],
        log_every_n_steps=1,
    )
    trainer.fit(module, datamodule=DigitsDataModule())
    with open(tmp_path / "metrics.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["lr/anchors_decay"]]
    warm_up = [0, 0.0025, 0.005, 0.0075]  # over 4 of 5 steps
    for owner, scale in (("anchors", 0.1), ("stitching_layers", 1)):
        for decay in ("decay", "no_decay"):
            lrs = [float(row[f"lr/{owner}_{decay}"]) for row in rows]
            assert lrs[:4] == pytest.approx([scale * lr for lr in warm_up])
            assert 0 < lrs[4] < scale * 0.0075
    assert len(rows) == 5


def rates_of_steps(trainer):
    """The last group's learning rate at every optimiser step, as the trainer takes them."""
    rates = []

    class Watch(L.Callback):
        def on_before_optimizer_step(self, trainer, module, optimizer):
            rates.append(optimizer.param_groups[-1]["lr"])

    trainer.callbacks.append(Watch())
    return rates


def test_warm_up_counts_optimizer_steps_when_gradients_are_accumulated(module, make_trainer):
    module.optim = OptimizerRecipe("sgd", lr=1e-3, warmup_epochs=2, warmup_lr=0, min_lr=0)
    trainer = make_trainer(max_epochs=4, limit_train_batches=4, limit_val_batches=0, accumulate_grad_batches=2)
    seen = rates_of_steps(trainer)
    trainer.fit(module, datamodule=DigitsDataModule())
    assert len(seen) == 8
    assert seen[:4] == pytest.approx([0, 0.25e-3, 0.5e-3, 0.75e-3])
    assert seen[4:] == sorted(seen[4:], reverse=True)
    assert 0 < seen[-1] < 0.05e-3


def test_the_rate_scales_with_the_images_of_an_optimizer_step(module, make_trainer):
    module.optim, module.batch_size = OptimizerRecipe("sgd", lr=1e-3, warmup_epochs=0, lr_base_batch=64), 32
    trainer = make_trainer(max_epochs=1, limit_train_batches=4, limit_val_batches=0, accumulate_grad_batches=4)
    seen = rates_of_steps(trainer)
    trainer.fit(module, datamodule=DigitsDataModule(batch_size=32))
    assert seen == pytest.approx([2e-3])  # 32 images, 4 batches a step, one process: 128 / 64


class WatchGradients(L.Callback):
    """Notes the gradients as they come, and as the optimiser got them."""

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.raw = {name: p.grad.clone() for name, p in module.net.named_parameters() if p.grad is not None}

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.clipped = {name: p.grad.clone() for name, p in module.net.named_parameters() if p.grad is not None}


def gradients_of_a_step(module, make_trainer, **options):
    watch = WatchGradients()
    trainer = make_trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0, callbacks=[watch], **options)
    trainer.fit(module, datamodule=DigitsDataModule())
    return watch.raw, watch.clipped


def test_gradients_are_clipped_adaptively_before_the_step(module, make_trainer):
    module.optim = OptimizerRecipe("sgd", lr=0, warmup_epochs=0, warmup_lr=0, min_lr=0, agc_clip_factor=1e-3)
    raw, clipped = gradients_of_a_step(module, make_trainer)
    weights = dict(module.net.named_parameters())
    (name, *_) = (name for name in raw if name.endswith("blocks.5.mlp.fc1.weight"))
    limits = 1e-3 * weights[name].norm(dim=1).clamp(min=1e-3)
    assert (raw[name].norm(dim=1) > limits).any()
    assert (clipped[name].norm(dim=1) <= limits * 1.001).all()
    heads = [name for name in raw if ".head." in name]
    assert all(torch.equal(raw[head], clipped[head]) for head in heads)


@pytest.mark.parametrize("value", [0.01, None])
def test_without_it_lightnings_own_clipping_holds(module, make_trainer, value):
    raw, clipped = gradients_of_a_step(module, make_trainer, gradient_clip_val=value)
    norm = torch.stack([g.norm() for g in clipped.values()]).norm()
    before = torch.stack([g.norm() for g in raw.values()]).norm()
    assert norm == pytest.approx(min(before.item(), value or before.item()), rel=1e-3)
    assert before > 0.02


def test_both_ways_of_clipping_at_once_are_refused(module, make_trainer):
    module.optim = OptimizerRecipe("sgd", lr=1e-3, agc_clip_factor=0.01)
    trainer = make_trainer(max_epochs=1, gradient_clip_val=5.0)
    with pytest.raises(InputError, match=r"optim.agc_clip_factor and trainer.gradient_clip_val both clip"):
        trainer.fit(module, datamodule=DigitsDataModule())
