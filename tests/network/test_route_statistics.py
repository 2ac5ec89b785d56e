"""Statistics of BatchNorm layers follow the stitch: when it runs, in files, in copies."""

import copy
from collections.abc import Mapping

import pytest
import torch
from torch._dynamo import config

import snnet_lightning as sn
from snnet_lightning.checkpoint_file import PREFIX
from snnet_lightning.checkpoints import load_weights
from snnet_lightning.description import KEY
from snnet_lightning.errors import InputError
from snnet_lightning.network.compile_parts import compile_in_place
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.network.route_statistics import own_statistics

FAMILIES = ["resnet", "levit"]


def calibrated(net, stitches=None):
    """Any statistics, other ones at every node."""
    statistics = net.route_statistics
    generator = torch.Generator().manual_seed(2)
    values = {
        name: own_statistics(layers) * (0.5 + torch.rand(1, generator=generator))
        for name, layers in statistics.layers.items()
    }
    statistics.set(values, [stitch.id for stitch in net.space] if stitches is None else stitches)
    return net


def images_for(net):
    return torch.randn(4, *net.anchors[0].input_size, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def logits_of(net, images):
    return [net(images, stitch) for stitch in net.space]


def equal(some, others):
    if isinstance(some, Mapping):
        return some.keys() == others.keys() and equal(list(some.values()), list(others.values()))
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_logits_are_those_of_anchors_in_which_they_were_written(batch_norm_net, family):
    net = batch_norm_net(family)
    images, shared = images_for(net), logits_of(net, images_for(net))
    calibrated(net)
    own = logits_of(net, images)
    statistics = net.route_statistics
    for stitch, logits, before in zip(net.space, own, shared, strict=True):
        folded = batch_norm_net(family)
        modules, names = dict(folded.named_modules()), {module: name for name, module in net.named_modules()}
        for place in filter(None, statistics.places[stitch.id]):
            layers, values = statistics.layers[place], statistics.nodes[place].values
            for layer, (mean, variance) in zip(layers, values.split([x.num_features for x in layers], 1), strict=True):
                modules[names[layer]].running_mean.copy_(mean)
                modules[names[layer]].running_var.copy_(variance)
        x = images
        for part in stitch.route:
            x = folded.run(part, x)
        assert torch.equal(x, logits)
        assert not torch.allclose(x, before, atol=1e-3)
    assert equal(logits_of(batch_norm_net(family), images), shared)


@pytest.mark.parametrize("stitches", [[0], [1, 3], [0, 1, 2, 3, 4]])
def test_some_calibrated_and_some_not_in_one_walk(batch_norm_net, stitches):
    net = batch_norm_net()
    images, shared = images_for(net), logits_of(net, images_for(net))
    all_own = logits_of(calibrated(net), images)
    calibrated(net, stitches)
    with torch.no_grad():
        walked = dict(forward_all(net, images, net.space))
    for stitch in net.space:
        expected = (all_own if stitch.id in stitches else shared)[stitch.id]
        assert torch.equal(walked[stitch], expected)
        net.select(stitch)
        with torch.no_grad():
            assert torch.equal(net(images), expected)
    used = {name for stitch in stitches for name in net.route_statistics.places[stitch] if name}
    assert set(net.route_statistics.nodes) == used


def test_training_is_as_without_them(batch_norm_net):
    net, other = batch_norm_net(), calibrated(batch_norm_net())
    for each in (net, other):
        each.train()(images_for(net), 3).logsumexp(1).sum().backward()
    assert equal(dict(net.named_buffers()), dict(other.named_buffers()))
    gradients = [[p.grad for p in each.parameters() if p.grad is not None] for each in (net, other)]
    assert equal(*gradients)


def test_gradients_in_eval_mode_are_of_the_calibrated_stitch(batch_norm_net):
    net = calibrated(batch_norm_net())
    net(images_for(net), 3).sum().backward()
    assert any(p.grad is not None for p in net.parameters())


def checkpoint(net, path):
    state = {f"{PREFIX}{key}": value for key, value in net.state_dict().items()}
    torch.save({"state_dict": state, KEY: net.description.as_data()}, path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stitches", [None, [0, 3]])
def test_a_file_has_them(batch_norm_net, tmp_path, family, stitches):
    net = calibrated(batch_norm_net(family), stitches)
    checkpoint(net, tmp_path / "net.ckpt")
    loaded = sn.load(tmp_path / "net.ckpt")
    assert loaded.route_statistics.calibrated == net.route_statistics.calibrated
    assert equal(loaded.state_dict(), net.state_dict())
    assert equal(logits_of(loaded, images_for(net)), logits_of(net, images_for(net)))


def test_loading_takes_the_place_of_what_was_there(batch_norm_net):
    net, plain = calibrated(batch_norm_net(), [1, 2]), batch_norm_net()
    state = copy.deepcopy(net.state_dict())
    other = calibrated(batch_norm_net(), [0])
    other.load_state_dict(state)
    assert other.route_statistics.calibrated == [1, 2]
    assert equal(other.state_dict(), state)
    net.load_state_dict(plain.state_dict())
    assert net.route_statistics.calibrated == []
    assert equal(net.state_dict(), plain.state_dict())


def test_a_network_without_any_has_no_trace_of_them(batch_norm_net, digits_net):
    for net in (batch_norm_net(), digits_net):
        assert not [key for key in net.state_dict() if "statistics" in key]
    assert not digits_net.route_statistics.layers


BROKEN = {
    "no ids": lambda state: state.pop("route_statistics.calibrated"),
    "no such stitch": lambda state: state.update({"route_statistics.calibrated": torch.tensor([1, 99])}),
    "no whole ids": lambda state: state.update({"route_statistics.calibrated": torch.tensor([1.0, 3.0])}),
    "a node missing": lambda state: state.pop("route_statistics.1_0"),
    "a node of another shape": lambda state: state.update({"route_statistics.1_0": torch.zeros(3)}),
    "a node too many": lambda state: state.update({"route_statistics.9_9": torch.zeros(2, 8)}),
}


@pytest.mark.parametrize("wrong", BROKEN)
def test_what_does_not_fit_is_refused_in_one_line(batch_norm_net, wrong):
    state = dict(calibrated(batch_norm_net(), [1, 3]).state_dict())
    BROKEN[wrong](state)
    net = batch_norm_net()
    content = {"state_dict": {f"{PREFIX}{key}": value for key, value in state.items()}}
    with pytest.raises(InputError, match=r"^x: does not fit the configured network: .*route_statistics"):
        load_weights(net, content, "x")
    with pytest.raises(RuntimeError, match=r"route_statistics"):
        net.load_state_dict(state)
    assert not net.route_statistics.calibrated


def test_copies_and_conversions_have_their_own(batch_norm_net):
    net = calibrated(batch_norm_net())
    images = images_for(net)
    before = logits_of(net, images)
    other = copy.deepcopy(net)
    assert equal(logits_of(other, images), before)
    for values in (node.values for node in other.route_statistics.nodes.values()):
        values.fill_(1)
    assert equal(logits_of(net, images), before)
    assert not torch.allclose(logits_of(other, images)[0], before[0])
    net.double()
    for logits, expected in zip(logits_of(net, images.double()), before, strict=True):
        torch.testing.assert_close(logits.float(), expected, rtol=1e-3, atol=1e-4)
    assert {node.values.dtype for node in net.route_statistics.nodes.values()} == {torch.float64}


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_parts_are_switched_without_compiling_again(batch_norm_net, backend):
    torch._dynamo.reset()
    limits = config.cache_size_limit, config.accumulated_cache_size_limit
    plain = batch_norm_net()
    images, net = images_for(plain), batch_norm_net()
    graphs = []

    def counted(graph, inputs):
        graphs.append(graph)
        return torch._dynamo.lookup_backend(backend)(graph, inputs)

    compile_in_place(net.anchors, net.stitching_layers.values(), backend=counted)
    for stitch, expected in zip(net.space, logits_of(plain, images), strict=True):
        torch.testing.assert_close(logits_of(net, images)[stitch.id], expected)
    count = len(graphs)
    assert count > 1
    for stitches in (None, [1, 3], []):
        for each in (plain, net):
            calibrated(each, stitches)
        for logits, expected in zip(logits_of(net, images), logits_of(plain, images), strict=True):
            torch.testing.assert_close(logits, expected)
    assert len(graphs) == count
    torch._dynamo.reset()
    config.cache_size_limit, config.accumulated_cache_size_limit = limits
