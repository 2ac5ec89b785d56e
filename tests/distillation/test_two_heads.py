"""Anchors with two classifiers: the classes teach one, the teacher the other, evaluation has their mean."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from snnet_lightning.anchors import create_anchors
from snnet_lightning.distillation import HardDistillation, SoftDistillation
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import SingleSampler
from snnet_lightning.stitch import PairedRule, StagedRule

RECIPE = OptimizerRecipe("sgd", lr=0.0, warmup_epochs=0, warmup_lr=0, min_lr=0)
SMALL = {"embed_dim": [16, 16, 16], "num_heads": [2, 2, 2], "key_dim": 8, "depth": [2, 2, 1]}


def levits():
    torch.manual_seed(0)
    return SNNet(create_anchors(["levit_192", "levit_256"], (3, 32, 32), 10, "checkpoint", SMALL), StagedRule())


@pytest.mark.parametrize("kind", [HardDistillation, SoftDistillation])
@pytest.mark.parametrize("stitch", [1, 3])
def test_a_step_teaches_each_head_its_own(make_trainer, kind, stitch):
    net, images, classes = levits(), torch.randn(6, 3, 32, 32), torch.arange(6)
    model = net.anchors[1].model
    seen = []
    hooks = [
        head.register_forward_hook(lambda m, i, o: seen.append(o.detach())) for head in (model.head, model.head_dist)
    ]
    distillation = kind("anchor", alpha=0.3, two_heads=True)
    module = SNNetModule(net, SingleSampler(stitch), RECIPE, distillation=distillation)
    losses = []
    module.on_train_batch_end = lambda outputs, *_: losses.append(outputs["loss"].item())
    trainer = make_trainer(max_epochs=1, limit_val_batches=0)
    trainer.fit(module, DataLoader(TensorDataset(images, classes), batch_size=6))
    for hook in hooks:
        hook.remove()
    own, taught, *teacher = seen[-4:]  # before, costs were counted
    wanted = sum(teacher) / 2
    if kind is HardDistillation:
        far = F.cross_entropy(taught, wanted.argmax(1))
    else:
        far = F.kl_div(taught.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="sum") / taught.numel()
    expected = 0.7 * F.cross_entropy(own, classes, label_smoothing=0.1) + 0.3 * far
    assert losses == pytest.approx([expected.item()], rel=1e-4)
    assert model.head_dist.linear.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_evaluation_has_their_mean():
    net, images = levits(), torch.randn(2, 3, 32, 32)
    SNNetModule(net, SingleSampler(1), RECIPE, distillation=HardDistillation("anchor", two_heads=True))
    pair = net.train()(images, 1)
    assert [logits.shape for logits in pair] == [(2, 10), (2, 10)]
    assert net.eval()(images, 1).shape == (2, 10)
    seen = []
    for head in (net.anchors[1].model.head, net.anchors[1].model.head_dist):
        head.register_forward_hook(lambda m, i, o: seen.append(o))
    logits = net(images, 1)
    torch.testing.assert_close(logits, (seen[0] + seen[1]) / 2)


def test_without_it_their_mean_is_taught():
    net = levits()
    for distillation in (HardDistillation("anchor", two_heads=True), HardDistillation("anchor"), None):
        SNNetModule(net, SingleSampler(1), RECIPE, distillation=distillation)
        pair = isinstance(net.train()(torch.randn(2, 3, 32, 32), 1), tuple)
        assert pair == (distillation is not None and distillation.two_heads)


def test_anchors_with_one_classifier_are_refused():
    net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule())
    with pytest.raises(InputError, match=r"distillation.two_heads=true: digits_tiny has one classifier"):
        SNNetModule(net, SingleSampler(1), RECIPE, distillation=HardDistillation("anchor", two_heads=True))
