"""Stitching layers refined without labels: what moves, by how much, and what stays."""

import copy
import math

import pytest
import torch
from timm.optim import Lamb

from snnet_lightning.anchors import create_anchors
from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw
from snnet_lightning.network import SNNet
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.network.refine import refine
from snnet_lightning.stitch import PairedRule, StagedRule, TwoWayRule

LINEAR = ("transform.weight", "transform.bias")


def digits(train, count):
    items = DigitsDataset(train).__getitems__([Draw(index) for index in range(count)])
    return [torch.stack(column) for column in zip(*items, strict=True)]


def digits_pair(rule):
    """The two smaller anchors with their shipped weights, and three batches."""
    torch.manual_seed(0)
    net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), rule)
    images = digits(train=True, count=192)[0].split(64)
    initialise_by_least_squares(net, images, 100)
    return net, images


def resnets(**options):
    """With BatchNorm and random weights, and three batches."""
    torch.manual_seed(0)
    anchors = create_anchors(["resnet18", "resnet26"], (3, 32, 32), 10, "random", {"channels": [8, 8, 16, 16]})
    net = SNNet(anchors, StagedRule((1, 2)), **options)
    images = torch.randn(48, 3, 32, 32).split(16)
    initialise_by_least_squares(net, images, 48)
    return net, images


def test_without_labels_half_of_what_least_squares_loses_is_won_back():
    net, _ = digits_pair(PairedRule())
    images, _ = digits(train=True, count=1257)

    @torch.no_grad()
    def shortfall():
        """Mean top-1 that the stitches lack to their last anchors, on test images."""
        tested, classes = digits(train=False, count=540)
        top1 = {s: (net(tested, s).argmax(1) == classes).double().mean() for s in net.space}
        anchors = net.space.anchors
        lacks = [top1[anchors[s.anchors[-1]]] - value for s, value in top1.items() if not s.is_anchor]
        return sum(lacks).item() / len(lacks)

    net.eval()
    before = shortfall()
    refine(net, iter(images.split(32)), steps=20, lr=0.03)
    assert before > 0.2
    assert shortfall() < before / 2


@pytest.mark.parametrize("rule", [PairedRule(), TwoWayRule()], ids=["shared layers", "crossed twice"])
def test_steps_are_those_of_one_graph_that_holds_all_stitches_of_the_step(rule):
    net, images = digits_pair(rule)
    expected = copy.deepcopy(net).eval().requires_grad_(False)
    refine(net, iter(images), steps=2, lr=0.02)

    stitches = [stitch for stitch in expected.space if not stitch.is_anchor]
    of_layer = {key: [s for s in stitches if any(_key(p) == key for p in s.route)] for key in expected.stitching_layers}
    parameters = [p.requires_grad_() for layer in expected.stitching_layers.values() for p in layer.parameters()]
    optimizer = Lamb(parameters, weight_decay=0, always_adapt=True)
    for step, x in enumerate(images[1:]):  # the first batch is looked at only
        optimizer.zero_grad()
        drawn = dict.fromkeys(of[step % len(of)] for of in of_layer.values())
        sum(_divergence(expected, s, x) for s in drawn).backward()
        optimizer.param_groups[0]["lr"] = 0.02 * (1 + math.cos(math.pi * step / 2)) / 2
        optimizer.step()
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(net.state_dict()[name], value, rtol=1e-3, atol=1e-5)


def _key(part):
    return "_".join(map(str, getattr(part, "key", ())))


def _divergence(net, stitch, images):
    wanted = net(images, net.space.anchors[stitch.anchors[-1]]).softmax(1)
    return (wanted * (wanted.log() - net(images, stitch).log_softmax(1))).sum(1).mean()


def test_the_losses_told_are_of_all_stitches_on_the_first_batch():
    net, images = digits_pair(PairedRule())
    net.eval()

    @torch.no_grad()
    def mean_loss():
        losses = [_divergence(net, stitch, images[0]).item() for stitch in net.space if not stitch.is_anchor]
        return pytest.approx(sum(losses) / len(losses), rel=1e-3)

    expected = mean_loss()
    before, after = refine(net, iter(images), steps=2, lr=0.01)
    assert (before, after) == (expected, mean_loss())
    assert after < before


@pytest.mark.parametrize(("low_rank", "frozen"), [(None, True), (4, False)])
def test_only_what_least_squares_fits_is_trained(low_rank, frozen):
    net, images = resnets(low_rank=low_rank, freeze_anchors=frozen)
    net.train()
    torch.manual_seed(3)
    state = copy.deepcopy(net.state_dict())
    flags = {name: parameter.requires_grad for name, parameter in net.named_parameters()}
    modes = {name: module.training for name, module in net.named_modules()}
    random = torch.get_rng_state()
    refine(net, iter([images[0]] * 3), steps=2, lr=1e-4)
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, state[name])}
    assert moved == {name for name in state if name.startswith("stitching_layers.") and name.endswith(LINEAR)}
    assert flags == {name: parameter.requires_grad for name, parameter in net.named_parameters()}
    assert modes == {name: module.training for name, module in net.named_modules()}
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_layers_that_got_no_better_stay_as_they_were():
    net, images = digits_pair(PairedRule())
    state = copy.deepcopy(net.state_dict())
    before, after = refine(net, iter(images), steps=2, lr=1e6)
    assert not after < before
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_memory_is_that_of_one_stitch(peak_of_saved_activations):
    net, images = digits_pair(TwoWayRule())
    together = peak_of_saved_activations(lambda: refine(net, iter(images), steps=2, lr=0.01))
    net.eval().anchors.requires_grad_(False)
    alone = max(
        peak_of_saved_activations(lambda s=s: _divergence(net, s, images[1])) for s in net.space if not s.is_anchor
    )
    assert together < 1.1 * alone


def test_what_takes_long_tells_how_far_it_is(monkeypatch, caplog):
    monkeypatch.setattr("snnet_lightning.network.refine.SILENCE", -1)
    net, images = digits_pair(PairedRule())
    caplog.clear()  # of what timm said of the anchors, where an earlier test has let it
    with caplog.at_level("INFO"):
        refine(net, iter(images), steps=2, lr=0.03)
    told = [record.getMessage().rpartition(",")[0] for record in caplog.records]
    assert told == [f"refining the stitching layers: step {step} of 2" for step in (1, 2)]
