"""Adaptive clipping against the formula of NFNets, unit by unit."""

import math

import pytest
import timm
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.network import SNNet
from snnet_lightning.optim.adaptive_clipping import classifiers, clip_adaptively
from snnet_lightning.stitch import PairedRule, StagedRule

FACTOR, EPS = 0.01, 1e-3


def units(tensor):
    """What one output unit owns; a bias or norm counts as one unit."""
    return [tensor] if tensor.ndim < 2 else list(tensor)


def by_hand(weight, grad):
    clipped = []
    for w, g in zip(units(weight), units(grad), strict=True):
        limit = FACTOR * max(math.sqrt(sum(w.flatten().double() ** 2)), EPS)
        norm = math.sqrt(sum(g.flatten().double() ** 2))
        clipped.append(g * (limit / norm) if norm > limit else g)
    return clipped[0] if weight.ndim < 2 else torch.stack(clipped)


@torch.no_grad()
def test_every_unit_of_what_a_step_ran_but_the_classifiers(digits_net):
    generator = torch.Generator().manual_seed(0)
    running = dict(digits_net.anchors[0].named_parameters("anchors.0"))
    running |= digits_net.stitching_layers.named_parameters("stitching_layers")
    scales = (1e-6, 1e-3, 1)  # some stay below the limit, some do not
    for i, parameter in enumerate(running.values()):
        parameter.grad = torch.randn(parameter.shape, generator=generator) * scales[i % 3]
    before = {name: p.grad.clone() for name, p in running.items()}
    clip_adaptively(digits_net, FACTOR)
    spared = {name for name in running if ".head." in name}
    assert len(spared) == 2
    for name, parameter in running.items():
        expected = before[name] if name in spared else by_hand(parameter, before[name])
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-9, msg=name)
    changed = {name for name, p in running.items() if not torch.equal(p.grad, before[name])}
    assert {name.split(".")[0] for name in changed} == {"anchors", "stitching_layers"}
    assert changed < running.keys() - spared
    assert all(p.grad is None for p in digits_net.anchors[1].parameters())  # which this step did not run


def test_classifiers_too_where_wanted(digits_net):
    for parameter in digits_net.parameters():
        parameter.grad = torch.ones_like(parameter)
    clip_adaptively(digits_net, FACTOR, spare_classifiers=False)
    for name, parameter in digits_net.named_parameters():
        expected = by_hand(parameter.detach(), torch.ones_like(parameter))
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-9, msg=name)


def test_frozen_parameters_may_be_without_a_gradient():
    torch.manual_seed(0)
    net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule(), low_rank=2)
    net.anchors.requires_grad_(False)
    net(torch.randn(2, 1, 8, 8), net.space.stitches[-1]).sum().backward()
    clip_adaptively(net, FACTOR)
    layers = [layer.transform for layer in net.stitching_layers.values() if layer.transform.bias.grad is not None]
    assert len(layers) == 1
    assert layers[0].bias.grad.norm() <= FACTOR * max(layers[0].bias.norm(), EPS) * 1.001


def test_distilled_models_have_two_classifiers():
    anchors = create_anchors(["levit_192", "levit_256"], (3, 224, 224), 10, "checkpoint")
    net = SNNet(anchors, StagedRule())
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    clip_adaptively(net, FACTOR)
    kept = {name for name, p in net.named_parameters() if torch.equal(p.grad, torch.ones_like(p))}
    assert kept == {name for name, _ in net.named_parameters() if ".head." in name or ".head_dist." in name}
    assert [len(list(classifiers(anchor.model))) for anchor in anchors] == [2, 2]


@pytest.mark.parametrize("name", ["digits_tiny", "resnet18"])
def test_plain_models_have_one(name):
    model = timm.create_model(name, num_classes=7)
    (classifier,) = classifiers(model)
    assert classifier.out_features == 7
