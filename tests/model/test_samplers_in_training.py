"""Samplers that draw several stitches a step, that learn, or that have frozen anchors beside them."""

import copy

import lightning as L
import pytest
import torch
import torch.nn.functional as F

from snnet_lightning.anchors import create_anchors
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.distillation import InPlaceDistillation
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import ImportanceSampler, SandwichSampler, SingleSampler, UniformSampler
from snnet_lightning.stitch import PairedRule, StagedRule

RECIPE = OptimizerRecipe("sgd", lr=1e-2, warmup_epochs=0)
SHORT = {"max_epochs": 1, "limit_val_batches": 0}


class Record(L.Callback):
    """Notes the batches, and the gradients that each optimiser step gets."""

    def __init__(self):
        self.batches, self.drawn, self.gradients = [], [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.batches.append(batch)
        self.drawn.append(module.draw(0))

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.gradients.append({n: p.grad.clone() for n, p in module.net.named_parameters() if p.grad is not None})


def assert_gradients(found, expected):
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_sandwich_step_takes_the_mean_gradient_of_its_stitches(digits_net, make_trainer, in_place, accumulated):
    """Against one loss over one graph."""
    before, record = copy.deepcopy(digits_net).train(), Record()
    module = SNNetModule(
        digits_net, SandwichSampler(3, 2), RECIPE, distillation=InPlaceDistillation() if in_place else None
    )
    options = {"accumulate_grad_batches": accumulated, "limit_train_batches": 2 * accumulated}
    make_trainer(**SHORT, **options, callbacks=[record]).fit(module, datamodule=DigitsDataModule(batch_size=16))
    assert len(record.gradients) == 2
    for (images, classes), drawn in zip(record.batches[:accumulated], record.drawn, strict=False):
        logits = [before(images, stitch) for stitch in drawn]
        if in_place:
            wanted = logits[0].detach().softmax(1)
            others = [-(wanted * x.log_softmax(1)).sum(1).mean() for x in logits[1:]]
            losses = [F.cross_entropy(logits[0], classes, label_smoothing=0.1), *others]
        else:
            losses = [F.cross_entropy(x, classes, label_smoothing=0.1) for x in logits]
        (sum(losses) / 4 / accumulated).backward()
    expected = {name: p.grad for name, p in before.named_parameters() if p.grad is not None}
    assert_gradients(record.gradients[0], expected)


def test_a_sandwich_step_needs_the_memory_of_its_largest_stitch(digits_net, make_trainer, peak_of_saved_activations):
    def peak(sampler):
        """Over a few steps."""
        trainer, module = make_trainer(**SHORT, limit_train_batches=2), SNNetModule(digits_net, sampler, RECIPE)
        return peak_of_saved_activations(lambda: trainer.fit(module, datamodule=DigitsDataModule()))

    alone, sandwich = peak(SingleSampler("digits_base")), peak(SandwichSampler(3, 4))
    assert 0.9 * alone < sandwich < 1.1 * alone


def test_importance_is_of_the_gradients_of_the_step(digits_net, make_trainer):
    before, record = copy.deepcopy(digits_net).train(), Record()
    module = SNNetModule(digits_net, ImportanceSampler(3), RECIPE)
    options = {"accumulate_grad_batches": 2, "limit_train_batches": 4, "gradient_clip_val": 1e-4}
    make_trainer(**SHORT, **options, callbacks=[record]).fit(module, datamodule=DigitsDataModule(batch_size=16))
    assert record.drawn[0] == record.drawn[1] != record.drawn[2] == record.drawn[3]
    (stitch,) = record.drawn[0]
    for images, classes in record.batches[:2]:
        (F.cross_entropy(before(images, stitch), classes, label_smoothing=0.1) / 2).backward()
    products = [(p * p.grad).abs().flatten() for p in before.parameters() if p.grad is not None]
    assert sum(map(len, products)) == module.costs[stitch].params
    assert module.sampler.importance[stitch.id] == pytest.approx(torch.cat(products).mean().item(), rel=1e-4)
    assert module.sampler.steps == 2


class SaveAfterTwoEpochs(L.Callback):
    def __init__(self, path):
        self.path = path

    def on_train_epoch_end(self, trainer, module):
        if trainer.current_epoch == 1:
            trainer.save_checkpoint(self.path)
            self.seen = module.sampler.state_dict()


def test_importance_goes_on_in_a_resumed_run(make_trainer, tmp_path):
    def fit(**options):
        torch.manual_seed(0)
        net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule())
        module = SNNetModule(net, ImportanceSampler(3, gap=3e5, warmup_draws=0, decay=0.5), RECIPE)
        save = SaveAfterTwoEpochs(tmp_path / "two.ckpt")
        trainer = make_trainer(max_epochs=4, limit_train_batches=6, limit_val_batches=0, callbacks=[save])
        trainer.fit(module, datamodule=DigitsDataModule(batch_size=16), **options)
        return module, save

    whole, save = fit()
    assert save.seen["steps"] == 12
    assert len(save.seen["importance"]) > 3
    resumed, _ = fit(ckpt_path=tmp_path / "two.ckpt")
    assert resumed.sampler.state_dict() == whole.sampler.state_dict()
    assert all(torch.equal(p, q) for p, q in zip(resumed.parameters(), whole.parameters(), strict=True))


@pytest.mark.parametrize(
    ("names", "size", "rule"),
    [
        (["digits_tiny", "digits_small"], (1, 8, 8), PairedRule()),
        (["resnet18", "resnet34"], (3, 32, 32), StagedRule(stages=(1, 2))),  # with batch statistics
    ],
)
def test_frozen_anchors_stay_bit_by_bit_and_stitching_layers_move(make_trainer, names, size, rule):
    torch.manual_seed(0)
    net = SNNet(create_anchors(names, size, 10, weights="random"), rule, freeze_anchors=True)
    before = copy.deepcopy(net.state_dict())
    module, record = SNNetModule(net, UniformSampler(3), RECIPE), Record()

    class Data(DigitsDataModule):
        def on_after_batch_transfer(self, batch, dataloader_idx):
            images, classes = batch
            return F.interpolate(images, size[1:]).expand(-1, size[0], -1, -1), classes

    trainer = make_trainer(**SHORT, limit_train_batches=40, callbacks=[record])
    trainer.fit(module, datamodule=Data(batch_size=8))
    assert not any(stitch.is_anchor for drawn in record.drawn for stitch in drawn)
    state = net.state_dict()
    moved = {key for key in before if not torch.equal(before[key], state[key])}
    assert moved == {key for key in before if key.startswith("stitching_layers.")}
    owners = {group["name"].split("_")[0] for group in trainer.optimizers[0].param_groups}
    assert owners == {"stitching"}
    net.train()
    assert not any(module.training for module in net.anchors.modules())
    assert all(layer.training for layer in net.stitching_layers.values())
