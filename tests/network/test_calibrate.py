"""Statistics are those that the layers of a route see, in whatever walk, and stay where they help."""

import copy
from collections import defaultdict
from itertools import repeat

import pytest
import torch
import torch.nn.functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from snnet_lightning.errors import InputError
from snnet_lightning.network.calibrate import Estimates, calibrate
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.network.split_batchnorm import split_in_place


def batches_for(net, images=40, size=16):
    torch.manual_seed(1)
    x, y = torch.randn(images, *net.anchors[0].input_size), torch.randint(0, 10, (images,))
    return list(zip(x.split(size), y.split(size), strict=True))


def layers_of(net):
    return {name: m for name, m in net.named_modules() if isinstance(m, _BatchNorm)}


@torch.no_grad()
def estimated(net, batches, stitches):
    estimates = Estimates(net.route_statistics, stitches)
    with estimates:
        for x, _ in batches:
            for _ in forward_all(net, x, stitches, estimates.of):
                pass
            estimates.pool()
    return estimates.values()


@pytest.mark.parametrize("family", ["resnet", "levit"])
@torch.no_grad()
def test_they_are_mean_and_variance_of_all_that_the_layers_see(batch_norm_net, family):
    net = batch_norm_net(family)
    batches = batches_for(net)
    found = estimated(net, batches, net.space)
    statistics, names = net.route_statistics, {layer: name for name, layer in layers_of(net).items()}
    for stitch in list(net.space)[:: 1 if family == "resnet" else 3]:
        expected = inputs_seen(copy.deepcopy(net), batches, stitch)
        ran = set()
        for node in filter(None, statistics.places[stitch.id]):
            layers = statistics.layers[node]
            for layer, own in zip(layers, found[node].split([x.num_features for x in layers], 1), strict=True):
                ran.add(names[layer])
                rows = expected[names[layer]]
                torch.testing.assert_close(own[0].double(), rows.mean(1), rtol=1e-5, atol=1e-6)
                torch.testing.assert_close(own[1].double(), rows.var(1), rtol=1e-5, atol=1e-6)
        assert ran == set(expected)


def inputs_seen(net, batches, stitch):
    """All that every layer sees by its name, (channels, rows), while all normalise by the batch."""
    seen = defaultdict(list)
    for name, layer in layers_of(net).items():
        layer.train().register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0]))
    for x, _ in batches:
        for part in stitch.route:
            x = net.run(part, x)
    return {name: torch.cat(inputs).double().transpose(0, 1).flatten(1) for name, inputs in seen.items()}


@pytest.mark.parametrize("family", ["resnet", "levit"])
def test_a_stitch_alone_has_the_same_as_in_the_walk_bit_by_bit(batch_norm_net, family):
    net = batch_norm_net(family)
    batches = batches_for(net)
    found = estimated(net, batches, net.space)
    for stitch in net.space:
        alone = estimated(net, batches, [stitch])
        assert alone.keys() == set(filter(None, net.route_statistics.places[stitch.id]))
        assert all(torch.equal(values, found[name]) for name, values in alone.items())
    calibrate(net, batches, 40)
    together = net.route_statistics.calibrated
    assert together
    kept = []
    for stitch in net.space:
        calibrate(net, batches, 40, [stitch])
        kept += net.route_statistics.calibrated
    assert kept == together


@torch.no_grad()
def test_a_stitch_keeps_them_where_the_held_back_images_are_told_better(batch_norm_net):
    net = batch_norm_net()
    batches = batches_for(net, 75)  # 60 to estimate on, 15 to decide by, 5 of which are in the last batch but one
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    y = net(x, 0).argmax(1)  # as the first anchor says with the layers' own statistics, so that it is best with them
    batches = list(zip(x.split(16), y.split(16), strict=True))
    parts = [(part, None) for part in x[:60].split(16)]
    net.route_statistics.set(estimated(net, parts, net.space), range(len(net.space)))
    own = {s: F.cross_entropy(logits, y[60:]) for s, logits in forward_all(net, x[60:], net.space)}
    shared = {
        s: F.cross_entropy(logits, y[60:]) for s, logits in forward_all(net, x[60:], net.space, lambda _: repeat(None))
    }
    better = [s.id for s in net.space if own[s] < shared[s]]
    assert 0 < len(better) < len(net.space)
    assert calibrate(net, batches, 75) == (60, 15)
    assert net.route_statistics.calibrated == better
    assert net.route_statistics.decided
    calibrate(net, batches, 75, net.space.anchors)
    assert net.route_statistics.calibrated == [s.id for s in net.space.anchors if s.id in better]
    assert not net.route_statistics.decided


def test_one_walk_a_batch_and_no_more_than_1_2_sweeps(batch_norm_net):
    net = batch_norm_net()
    batches, ran = batches_for(net, 160), []
    for anchor in net.anchors:
        for module in (anchor.model.conv1, *(block for stage in anchor.stages() for block in stage), anchor.model.fc):
            module.register_forward_pre_hook(lambda _, inputs: ran.append(len(inputs[0])))
    with torch.no_grad():
        for x, _ in batches:
            for _ in forward_all(net, x, net.space):
                pass
    sweep = sum(ran)
    ran.clear()
    net.route_statistics.layers  # noqa: B018 - one image to see which layers there are
    ran.clear()
    calibrate(net, batches, 160)
    assert sum(ran) <= 1.2 * sweep


def test_the_layers_are_left_as_they_were(batch_norm_net):
    net = batch_norm_net()
    net.anchors[0].train()
    before = copy.deepcopy(net)
    calibrate(net, batches_for(net), 40)
    net.route_statistics.clear()
    assert all(torch.equal(a, b) for a, b in zip(before.state_dict().values(), net.state_dict().values(), strict=True))
    assert [(m.training, m._forward_hooks) for m in net.modules()] == [
        (m.training, m._forward_hooks) for m in before.modules()
    ]
    assert {layer.momentum for layer in layers_of(net).values()} == {0.1}


def test_dropout_and_drop_path_are_as_in_evaluation(batch_norm_net):
    net = batch_norm_net()
    batches = batches_for(net)
    plain = estimated(net, batches, net.space)
    for block in net.anchors[0].model.layer2:
        block.register_forward_hook(lambda block, _, y: F.dropout(y, 0.5, block.training))
    calibrate(net.train(), batches, 40, [net.space[0]])
    state = net.train().route_statistics.state_dict()
    first32 = estimated(net.eval(), [(x, y) for x, y in batches[:2]], [net.space[0]])
    assert net.training is False
    assert all(torch.equal(state[name], values) for name, values in first32.items() if name in state)
    assert plain.keys() > first32.keys()


@pytest.mark.parametrize("images", [1, 2])
def test_too_few_images_are_refused(batch_norm_net, images):
    net = batch_norm_net()
    with pytest.raises(InputError, match=r"^calibration\.images: [12] images are too few"):
        calibrate(net, batches_for(net), images)
    assert not net.route_statistics.calibrated


@pytest.mark.parametrize("family", ["resnet", "efficientnet"])
def test_split_batch_norms_see_the_whole_batch(batch_norm_net, family):
    whole, split = batch_norm_net(family), batch_norm_net(family)
    split_in_place(split.anchors)
    split.eval()
    split.load_state_dict(whole.state_dict(), strict=False)
    size = whole.anchors[0].input_size
    batches = [(torch.randn(5, *size), torch.arange(5)) for _ in range(3)]  # an odd number cannot be split
    for net in (whole, split):
        calibrate(net, batches, 15)
    assert whole.route_statistics.calibrated == split.route_statistics.calibrated
    for stitch in whole.space:
        expected = whole(batches[0][0], stitch)
        assert torch.equal(split(batches[0][0], split.space[stitch.id]), expected)
        assert torch.equal(split.extract(stitch.id)(batches[0][0]), expected)
    assert not any("forward" in vars(module) for module in split.modules())
