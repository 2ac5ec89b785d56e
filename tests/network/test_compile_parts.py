"""Compiled part by part, a network gives the same, and switching the stitch compiles nothing.

No backend that needs a C++ compiler is used: PyTorch's tracing and caching are what is tested.
"""

import copy

import pytest
import torch
from torch._dynamo import config
from torch._dynamo.utils import counters

from snnet_lightning.anchors import create_anchors
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.network import SNNet
from snnet_lightning.network.compile_parts import compile_in_place
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.stitch import PairedSpace, StagedSpace

DIGITS = ["digits_tiny", "digits_small", "digits_base"]


@pytest.fixture(autouse=True)
def fresh_compiler():
    limits = config.cache_size_limit, config.accumulated_cache_size_limit
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()
    config.cache_size_limit, config.accumulated_cache_size_limit = limits


def digits(**kwargs):
    torch.manual_seed(0)
    return SNNet(create_anchors(DIGITS, (1, 8, 8), 10, "checkpoint", {"depth": 3, **kwargs}), PairedSpace())


def resnets():
    torch.manual_seed(0)
    return SNNet(create_anchors(["resnet18", "resnet26"], (3, 32, 32), 10, "checkpoint"), StagedSpace([1, 2]))


def compiled(net, backend="eager"):
    net = copy.deepcopy(net)
    compile_in_place(net.anchors, net.stitching_layers.values(), backend=backend)
    return net


def walk(net, images):
    """Every stitch in training, then every stitch in evaluation on two sizes of batch."""
    net.train()
    for stitch in net.space:
        net(images, stitch).sum().backward()
    net.eval()
    with torch.no_grad():
        for batch in (images, images[1:]):
            for stitch in net.space:
                net(batch, stitch)


@pytest.mark.parametrize(
    ("drop_path_rate", "graphs"),
    [
        (
            0.0,
            3 * (3 + 2),
        ),  # 3 widths and 2 pairs of widths, in training and in evaluation, there on two sizes of batch
        # Three rates a width in training; in evaluation those above zero are the same.
        (0.1, (3 * 3 + 2) + 2 * (3 * 2 + 2)),
    ],
)
def test_as_many_graphs_as_there_are_different_parts_and_no_more_on_a_second_walk(drop_path_rate, graphs):
    net, images = compiled(digits(drop_path_rate=drop_path_rate)), torch.randn(4, 1, 8, 8)
    before, frames = counters["stats"]["unique_graphs"], dict(counters["frames"])
    walk(net, images)
    first = counters["stats"]["unique_graphs"] - before
    walk(net, images)
    assert counters["stats"]["unique_graphs"] - before == first
    assert first == graphs
    new = {key: counters["frames"][key] - frames.get(key, 0) for key in counters["frames"]}
    assert new["ok"] == new["total"] == first  # nothing was given up, or broken into several graphs


@pytest.mark.parametrize("make", [digits, resnets])
def test_logits_and_gradients_are_those_of_the_plain_network(make):
    plain = make()
    other = compiled(plain, "aot_eager")
    assert list(plain.state_dict()) == list(other.state_dict())
    images = torch.randn(4, *plain.anchors[0].input_size)
    for stitch in (plain.space[0], plain.space.stitches[-1]):
        logits = [net.train()(images, stitch) for net in (plain, other)]
        torch.testing.assert_close(*logits)
        for out in logits:
            out.logsumexp(1).sum().backward()
        for (name, a), b in zip(plain.named_parameters(), other.parameters(), strict=True):
            assert (a.grad is None) == (b.grad is None), name
            if a.grad is not None:
                torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4, msg=name)
        with torch.no_grad():
            torch.testing.assert_close(*(net.eval()(images, stitch) for net in (plain, other)))
    for a, b in zip(plain.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_option_compiles_every_block_and_stitching_layer(monkeypatch):
    seen = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: seen.append(module))
    net = SNNet(create_anchors(DIGITS, (1, 8, 8), 10), PairedSpace(), compile_parts=True)
    blocks = [block for anchor in net.anchors for block in anchor.model.blocks]
    assert {*map(id, seen)} == {*map(id, blocks), *map(id, net.stitching_layers.values())}


def test_cost_initialisation_and_copies_of_a_compiled_network():
    plain, images = digits(), torch.randn(20, 1, 8, 8)
    net = compiled(plain)
    walk(net, images[:4])
    net.eval()
    graphs = counters["stats"]["unique_graphs"]
    assert stitch_costs(net) == stitch_costs(plain)
    assert torch.equal(copy.deepcopy(net)(images, 7), plain.eval()(images, 7))
    assert counters["stats"]["unique_graphs"] == graphs  # neither compiles anything
    with torch.no_grad():
        net(images[:4], 7)
        assert counters["stats"]["unique_graphs"] == graphs  # and what was compiled is there again
    for each in (plain, net):
        initialise_by_least_squares(each, [images[:16], images[16:]], 20)
    for a, b in zip(plain.stitching_layers.parameters(), net.stitching_layers.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_blocks_run_again_under_a_checkpoint():
    """The second run must find the same compiled version as the first."""
    plain = digits(drop_path_rate=0.3)
    other = compiled(plain, "aot_eager")
    other.activation_checkpointing = True
    images = torch.randn(4, 1, 8, 8)
    for stitch in list(plain.space)[::6]:
        losses = []
        for net in (plain, other):
            torch.manual_seed(3)
            losses.append(net.train()(images, stitch).logsumexp(1).sum())
            losses[-1].backward()
        torch.testing.assert_close(*losses)
    for (name, a), b in zip(plain.named_parameters(), other.parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4, msg=name)
