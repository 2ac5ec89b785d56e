"""Activation checkpointing changes what is kept for the backward pass, and nothing else."""

import copy

import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.network import SNNet
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.stitch import PairedRule, StagedRule

RANDOM = {"drop_path_rate": 0.4, "proj_drop_rate": 0.2}


def vits(**kwargs):
    anchors = create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10, kwargs=kwargs)
    return SNNet(anchors, PairedRule()), torch.randn(8, 1, 8, 8)


def resnets():
    anchors = create_anchors(["resnet18", "resnet26"], (3, 64, 64), 10, "checkpoint")
    return SNNet(anchors, StagedRule([1, 2])), torch.randn(4, 3, 64, 64)


def levits():
    anchors = create_anchors(["levit_128s", "levit_128"], (3, 224, 224), 10, "checkpoint")
    return SNNet(anchors, StagedRule([0, 1])), torch.randn(2, 3, 224, 224)


MAKERS = {"vit": lambda: vits(**RANDOM), "resnet": resnets, "levit": levits}


def trained_step(net, images, stitch, checkpointing):
    """(loss, gradients, running statistics, next random number, bytes saved for the backward pass)."""
    net = copy.deepcopy(net).train()
    net.activation_checkpointing = checkpointing
    saved = {}

    def pack(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(5)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = net(images, stitch).logsumexp(1).sum()
    held = sum(saved.values())
    loss.backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    return loss, gradients, dict(net.named_buffers()), torch.rand(1), held


@pytest.mark.parametrize("family", MAKERS)
def test_loss_gradients_and_running_statistics_are_the_same(family):
    torch.manual_seed(0)
    net, images = MAKERS[family]()
    stitch = net.space.stitches[-1]
    loss, gradients, buffers, number, _ = trained_step(net, images, stitch, False)
    again, gradients_again, buffers_again, number_again, _ = trained_step(net, images, stitch, True)
    assert torch.equal(loss, again)
    assert torch.equal(number, number_again)
    assert gradients.keys() == gradients_again.keys()
    assert any(g is None for g in gradients.values())
    for name, gradient in gradients.items():
        assert (gradient is None) == (gradients_again[name] is None), name
        assert gradient is None or torch.equal(gradient, gradients_again[name]), name
    assert all(torch.equal(buffers[name], buffers_again[name]) for name in buffers)
    moved = [name for name, buffer in net.named_buffers() if not torch.equal(buffer, buffers[name])]
    assert bool(moved) == (family != "vit")


def test_drop_path_and_dropout_do_make_a_difference():
    """Without which equal gradients would say little of the random numbers."""
    torch.manual_seed(0)
    net, images = vits(**RANDOM)
    torch.manual_seed(5)
    first, second = (net.train()(images, 1) for _ in range(2))
    assert not torch.allclose(first, second, atol=1e-3)


def test_less_is_saved_for_the_backward_pass():
    net, images = vits()
    anchor = net.space.anchors[1]
    plain, checkpointed = (trained_step(net, images, anchor, on)[-1] for on in (False, True))
    parameters = sum(p.numel() * p.element_size() for p in net.anchors[1].parameters())
    assert checkpointed < plain / 4
    assert plain > parameters  # so that it is activations that are spared


def test_without_gradients_or_in_evaluation_nothing_runs_under_a_checkpoint(monkeypatch):
    net, images = vits()
    net.activation_checkpointing = True
    monkeypatch.setattr("snnet_lightning.network.snnet.run_checkpointed", None)  # a call would fail
    net.eval()(images, 1)
    with torch.no_grad():
        assert len(list(forward_all(net.train(), images, net.space))) == len(net.space)
    with pytest.raises(TypeError):
        net(images, 1)
