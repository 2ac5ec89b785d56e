"""FLOPs and parameters against the published table, fvcore on whole stitches, torch's own counter, and gradients."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from snnet_lightning.anchors import create_anchors
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule, Stitch

DEIT = ["deit_tiny_patch16_224", "deit_small_patch16_224", "deit_base_patch16_224"]
WIDTHS = [192, 384, 768]
TOKENS = 197
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "flops_deit_ti_s_b.json").read_text())


@pytest.fixture(scope="module")
def deit() -> SNNet:
    return SNNet(create_anchors(DEIT, (3, 224, 224), 1000, "checkpoint"), PairedRule())


@pytest.fixture(scope="module")
def deit_costs(deit):
    return stitch_costs(deit)


class WholeStitch(nn.Module):
    """A whole stitch as a module, since fvcore counts modules."""

    def __init__(self, net: SNNet, stitch: Stitch):
        super().__init__()
        self.net, self.stitch = net, stitch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x, self.stitch)


@contextmanager
def attention_in_the_open(net: SNNet) -> Iterator[None]:
    """Attention as two matrix products, which fvcore counts without being told how."""
    fused = [module for module in net.modules() if hasattr(module, "fused_attn")]
    assert fused
    for module in fused:
        module.fused_attn = False
    yield
    for module in fused:
        module.fused_attn = True


def fvcore_count(net: SNNet, stitch: Stitch) -> int:
    with attention_in_the_open(net), torch.no_grad():
        x = torch.zeros(1, *net.anchors[0].input_size)
        analysis = FlopCountAnalysis(WholeStitch(net, stitch).eval(), x)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        return int(analysis.total())


def test_flops_are_the_published_ones_without_the_final_norm(deit):
    costs = stitch_costs(SNNet(deit.anchors, PairedRule(final_norm=False)))
    assert [cost.flops for cost in costs.values()] == GOLDEN["flops"]


def test_the_final_norm_costs_5_operations_an_element_and_nothing_more(deit_costs):
    for (stitch, cost), published in zip(deit_costs.items(), GOLDEN["flops"], strict=True):
        extra = 0 if stitch.is_anchor else 5 * TOKENS * WIDTHS[stitch.anchors[-1]]
        assert cost.flops == published + extra, stitch.name


def test_params_are_the_published_ones_and_the_embeddings_that_those_leave_out(deit_costs):
    for (stitch, cost), published in zip(deit_costs.items(), GOLDEN["params"], strict=True):
        left_out = 0 if stitch.is_anchor else (1 + TOKENS) * WIDTHS[stitch.anchors[0]]  # cls_token and pos_embed
        assert cost.params == published + left_out, stitch.name


@pytest.mark.parametrize("key", [1, 3, 36, 50, 70])
def test_sum_over_parts_is_the_whole_stitch_of_deit(deit, deit_costs, key):
    assert deit_costs[deit.space[key]].flops == fvcore_count(deit, deit.space[key])


def test_sum_over_parts_is_the_whole_stitch_of_digits(digits_net):
    costs = stitch_costs(digits_net)
    assert len(costs) == 35
    assert {s.name: c.flops for s, c in costs.items()} == {s.name: fvcore_count(digits_net, s) for s in costs}


class Repeated(nn.Module):
    """A module so many times in a row."""

    def __init__(self, module: nn.Module, times: int):
        super().__init__()
        self.module, self.times = module, times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            x = self.module(x)
        return x


@pytest.mark.parametrize("change", ["wider", "twice", "a function of its own"])
def test_a_block_unlike_the_others_of_its_anchor_has_costs_of_its_own(change):
    net = SNNet(create_anchors(["digits_tiny"] * 2, (1, 8, 8), 10, "checkpoint", {"depth": 4}), PairedRule())
    for place, block in enumerate(net.anchors[1].model.blocks):
        width, hidden, other = block.mlp.fc1.in_features, block.mlp.fc1.out_features, place == 2
        if change == "twice":
            block.mlp = Repeated(block.mlp, 1 + other)
        elif change == "a function of its own":
            mixing = torch.ones(hidden, hidden + 8 * other)
            block.mlp.act.forward = lambda x, mixing=mixing: (x @ mixing)[..., : x.shape[-1]]
        elif other:
            block.mlp.fc1, block.mlp.fc2 = nn.Linear(width, hidden + 8), nn.Linear(hidden + 8, width)
    costs = stitch_costs(net)
    assert len(costs) > 10
    assert {s.name: c.flops for s, c in costs.items()} == {s.name: fvcore_count(net, s) for s in costs}


def test_flops_are_what_torch_counts_plus_the_norms(digits_net):
    """torch counts multiplications and additions of all products, and no norms; fvcore gives these 5 an element."""
    norms = 0

    def count(module, inputs, output):
        nonlocal norms
        norms += 5 * output.numel()

    for module in digits_net.modules():
        if isinstance(module, nn.LayerNorm):
            module.register_forward_hook(count)
    for stitch, cost in stitch_costs(digits_net).items():
        norms = 0
        # Not every fused attention is known to every version of torch's counter.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            digits_net(torch.zeros(1, 1, 8, 8), stitch)
        assert norms > 0
        assert cost.flops == counter.get_total_flops() // 2 + norms, stitch.name


def test_params_are_those_that_a_gradient_reaches(digits_net):
    for stitch, cost in stitch_costs(digits_net).items():
        digits_net.zero_grad(set_to_none=True)
        digits_net(torch.randn(2, 1, 8, 8), stitch).square().sum().backward()
        assert cost.params == sum(p.numel() for p in digits_net.parameters() if p.grad is not None), stitch.name


@pytest.mark.parametrize("training", [True, False])
def test_counting_leaves_training_or_evaluation_as_it_was(digits_net, training):
    digits_net.train(training)
    stitch_costs(digits_net)
    assert {module.training for module in digits_net.modules()} == {training}
