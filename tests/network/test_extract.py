"""A stitch by itself is what the SN-Net runs, and nothing more."""

import copy
import io
import pickle

import pytest
import timm
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnet_lightning.anchors import create_anchors
from snnet_lightning.evaluation.cost import count_flops, stitch_costs
from snnet_lightning.network import SNNet
from snnet_lightning.network.route_statistics import own_statistics
from snnet_lightning.stitch import PairedRule, StagedRule, TwoWayRule
from snnet_lightning.stitch.route import Layer

DIGITS = ["digits_tiny", "digits_small", "digits_base"]


def images_for(net, count=3):
    return torch.randn(count, *net.anchors[0].input_size, generator=torch.Generator().manual_seed(4))


def size_of(module):
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def assert_is_the_stitch(net, stitch, costs):
    extracted, images = net.extract(stitch), images_for(net)
    assert not extracted.training
    assert torch.equal(extracted(images), net(images, stitch))
    assert size_of(extracted) == costs[stitch].params
    if stitch.is_anchor:
        assert type(extracted) is type(net.anchors[stitch.route[0].anchor].model)
        return
    assert {int(index) for index in extracted.anchors} == set(stitch.anchors)
    state = net.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in extracted.state_dict().items())


def some_of(space):
    """An anchor, the earliest joint and the latest, of routes that have one."""
    joints = [s for s in space if sum(isinstance(part, Layer) for part in s.route) == 1] or list(space)[-2:]
    return [space.anchors[0], joints[0], joints[-1]]


@pytest.mark.parametrize("rule", [PairedRule(), PairedRule(pairs="all", final_norm=False), TwoWayRule()], ids=repr)
def test_every_stitch_of_digits(rule):
    torch.manual_seed(0)
    names = DIGITS[::2] if isinstance(rule, TwoWayRule) else DIGITS
    net = SNNet(create_anchors(names, (1, 8, 8), 10), rule).eval()
    costs = stitch_costs(net)
    for stitch in net.space:
        assert_is_the_stitch(net, stitch, costs)


# Of each published family two narrow anchors: early joints, late ones.
RESNETS = {"kwargs": {"channels": (8, 12, 16, 20)}, "kwargs_each": [{"layers": (2, 2, 2, 2)}, {"layers": (2, 3, 4, 3)}]}
SWIN = {"img_size": 64, "window_size": 2, "depths": (2, 2), "num_heads": (1, 2)}
PUBLISHED = {
    "deit_ti_s_b": (
        ["deit_tiny_patch16_224", "deit_small_patch16_224"],
        32,
        PairedRule(final_norm=False),
        {"kwargs": {"depth": 4, "num_heads": 2}, "kwargs_each": [{"embed_dim": 16}, {"embed_dim": 32}]},
    ),
    "deit3_s_l": (
        ["deit3_small_patch16_224", "deit3_large_patch16_224"],
        32,
        TwoWayRule(),
        {"kwargs": {"num_heads": 2}, "kwargs_each": [{"embed_dim": 16, "depth": 4}, {"embed_dim": 32, "depth": 6}]},
    ),
    "levit_192_256": (["levit_192", "levit_256"], 64, StagedRule(), {}),
    "resnet18_50": (["resnet18", "resnet50"], 64, StagedRule(), RESNETS),
    "resnet18_swin_ti": (
        ["resnet18", "swin_tiny_patch4_window7_224"],
        64,
        StagedRule(stages=(0, 1)),
        {
            "kwargs_each": [
                {"channels": (8, 12, 16, 20), "layers": (2, 2, 2, 2)},
                SWIN | {"embed_dim": 16, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 2, 2)},
            ]
        },
    ),
    "swin_ti_s_b": (
        ["swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"],
        64,
        StagedRule(),
        {
            "kwargs": SWIN | {"num_heads": (1, 2, 2)},
            "kwargs_each": [{"embed_dim": 16, "depths": (2, 4, 2)}, {"embed_dim": 32, "depths": (2, 6, 2)}],
        },
    ),
}


def narrow_net(names, size, rule, kwargs):
    """Anchors with random weights, and running statistics that are not those of new layers."""
    torch.manual_seed(0)
    net = SNNet(create_anchors(names, (3, size, size), 5, "checkpoint", **kwargs), rule).eval()
    for layer in net.modules():
        if isinstance(layer, _BatchNorm):
            nn.init.uniform_(layer.running_mean, -0.1, 0.1)
    return net


@pytest.fixture(params=PUBLISHED)
def published_net(request):
    return narrow_net(*PUBLISHED[request.param])


def test_stitches_of_published_families(published_net):
    costs = stitch_costs(published_net)
    for stitch in some_of(published_net.space):
        assert_is_the_stitch(published_net, stitch, costs)


@torch.no_grad()
def test_calibrated_statistics_are_its_own(batch_norm_net):
    net = batch_norm_net()
    statistics = net.route_statistics
    generator = torch.Generator().manual_seed(2)
    values = {
        name: own_statistics(of) * (0.5 + torch.rand(1, generator=generator)) for name, of in statistics.layers.items()
    }
    before = {stitch: net(images_for(net), stitch) for stitch in net.space}
    statistics.set(values, [0, 3, 4])
    for stitch in net.space:
        logits = net.extract(stitch)(images_for(net))
        assert torch.equal(logits, net(images_for(net), stitch))
        assert torch.equal(logits, before[stitch]) == (stitch.id not in (0, 3, 4))


def test_a_low_rank_term_is_folded_in():
    torch.manual_seed(0)
    net = SNNet(create_anchors(DIGITS, (1, 8, 8), 10), PairedRule(), low_rank=4).eval()
    for layer in net.stitching_layers.values():
        nn.init.normal_(layer.transform.lora_B)
    stitch, costs = net.space[20], stitch_costs(net)
    extracted = net.extract(stitch)
    with torch.no_grad():
        logits = net(images_for(net), stitch)
        assert torch.allclose(extracted(images_for(net)), logits, atol=1e-5)
    assert size_of(extracted) == costs[stitch].params
    assert not any("lora" in name for name in extracted.state_dict())


@torch.no_grad()
def test_what_only_training_runs_is_left_out():
    torch.manual_seed(0)
    anchors = create_anchors(["resnet18", "resnet18"], (1, 16, 16), 10, "checkpoint", {"channels": (8, 12, 16, 20)})
    net = SNNet(anchors, StagedRule(), split_batchnorm=True).eval()
    costs = stitch_costs(net)
    for stitch in some_of(net.space):
        assert_is_the_stitch(net, stitch, costs)
        assert not any("aux_bn" in name for name in net.extract(stitch).state_dict())


def test_an_anchor_is_the_timm_model(digits_net):
    extracted = digits_net.extract("digits_small")
    model = timm.create_model("digits_small", pretrained=True)
    assert extracted.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in extracted.state_dict().items())


@torch.no_grad()
def test_it_goes_on_alone(digits_net):
    """Changed or gone, the SN-Net does not matter any more; nor does a copy of the stitch weigh what the net does."""
    images, extracted = images_for(digits_net), digits_net.extract(3)
    expected = extracted(images)
    for parameter in digits_net.parameters():
        parameter.zero_()
    assert torch.equal(extracted(images), expected)
    content = pickle.dumps(extracted)
    assert torch.equal(pickle.loads(content)(images), expected)
    assert len(content) < 4 * size_of(extracted) + 200_000
    torch.save(extracted, buffer := io.BytesIO())
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(images), expected)


@torch.no_grad()
def test_pytorchs_own_tools_take_it(digits_net):
    images, extracted = images_for(digits_net), digits_net.extract(20)
    expected = extracted(images)
    batch = torch.export.Dim("batch")
    program = torch.export.export(extracted, (images,), dynamic_shapes=({0: batch},))
    assert torch.allclose(program.module()(images[:2]), expected[:2], atol=1e-5)
    compiled = torch.compile(copy.deepcopy(extracted), backend="eager", fullgraph=True)
    assert torch.allclose(compiled(images), expected, atol=1e-6)
    quantised = torch.ao.quantization.quantize_dynamic(extracted, {nn.Linear}, torch.qint8)
    assert (quantised(images) - expected).abs().max() < 0.5 * expected.abs().max()
    assert count_flops(extracted, images[:1]) == stitch_costs(digits_net)[digits_net.space[20]].flops


@torch.no_grad()
def test_out_of_a_network_that_was_compiled_and_has_run():
    torch.manual_seed(0)
    kwargs = {"kwargs": {"img_size": 32, "depth": (1, 2, 1)}}  # LeViT caches its attention biases
    net = SNNet(
        create_anchors(["levit_128s", "levit_192"], (3, 32, 32), 5, "checkpoint", **kwargs), StagedRule()
    ).eval()
    images = images_for(net)
    with torch.enable_grad():
        expected = net(images, 2).detach()
    assert torch.equal(net.extract(2)(images), expected)
    assert pickle.dumps(net.extract(2))
