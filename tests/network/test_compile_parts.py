"""Compiled part by part, a network gives the same, and switching the stitch compiles nothing.

No backend that needs a C++ compiler is used: PyTorch's tracing and caching are what is tested.
"""

import copy

import pytest
import torch
from torch._dynamo import config

from snnet_lightning.anchors import create_anchors
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.network import SNNet
from snnet_lightning.network.compile_parts import compile_in_place
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.stitch import PairedRule, StagedRule

DIGITS = ["digits_tiny", "digits_small"]


@pytest.fixture(autouse=True)
def fresh_compiler():
    limits = config.cache_size_limit, config.accumulated_cache_size_limit
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()
    config.cache_size_limit, config.accumulated_cache_size_limit = limits


def digits(**kwargs):
    torch.manual_seed(0)
    return SNNet(create_anchors(DIGITS, (1, 8, 8), 10, "checkpoint", {"depth": 3, **kwargs}), PairedRule())


def resnets():
    torch.manual_seed(0)
    small = {"channels": [8, 8, 16, 16], "layers": [1, 2, 2, 1]}
    return SNNet(create_anchors(["resnet18", "resnet26"], (3, 32, 32), 10, "checkpoint", small), StagedRule([1, 2]))


class Graphs(list):
    """A backend that keeps what it is given to compile, and runs it as it is."""

    def __call__(self, graph, inputs):
        self.append(graph)
        return graph


def compiled(net, backend="eager"):
    """What cannot be one graph a part, or has too many versions, is an error."""
    net = copy.deepcopy(net)
    compile_in_place(net.anchors, net.stitching_layers.values(), backend=backend, fullgraph=True)
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
    ("drop_path_rate", "count"),
    [
        # 2 widths and a pair of widths, in training and in evaluation, there on two sizes of batch.
        pytest.param(0.0, 3 * (2 + 1), marks=pytest.mark.slow),
        # Three rates a width in training; in evaluation those above zero are the same.
        (0.1, (3 * 2 + 1) + 2 * (2 * 2 + 1)),
    ],
)
def test_as_many_graphs_as_there_are_different_parts_and_no_more_on_a_second_walk(drop_path_rate, count):
    graphs = Graphs()
    net, images = compiled(digits(drop_path_rate=drop_path_rate), graphs), torch.randn(4, 1, 8, 8)
    for _ in range(2):
        walk(net, images)
        assert len(graphs) == count


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
    net = SNNet(create_anchors(DIGITS, (1, 8, 8), 10), PairedRule(), compile_parts=True)
    blocks = [block for anchor in net.anchors for block in anchor.model.blocks]
    assert {*map(id, seen)} == {*map(id, blocks), *map(id, net.stitching_layers.values())}


def test_cost_initialisation_and_copies_of_a_compiled_network():
    plain, images, graphs = digits(), torch.randn(20, 1, 8, 8), Graphs()
    net, stitch = compiled(plain, graphs), plain.space.stitches[-1]
    with torch.no_grad():
        net.eval()(images[:4], stitch)
    count = len(graphs)
    assert count > 1
    assert stitch_costs(net) == stitch_costs(plain)
    assert torch.equal(copy.deepcopy(net)(images, stitch), plain.eval()(images, stitch))
    assert len(graphs) == count  # neither compiles anything
    with torch.no_grad():
        net(images[:4], stitch)
        assert len(graphs) == count  # and what was compiled is there again
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
    for stitch in list(plain.space)[::3]:
        losses = []
        for net in (plain, other):
            torch.manual_seed(3)
            losses.append(net.train()(images, stitch).logsumexp(1).sum())
            losses[-1].backward()
        torch.testing.assert_close(*losses)
    for (name, a), b in zip(plain.named_parameters(), other.parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4, msg=name)
