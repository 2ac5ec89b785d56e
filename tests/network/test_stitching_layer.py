"""The stitching layer between layouts, against the same matrix applied to every position by hand."""

import pytest
import torch
from torch import nn

from snnet_lightning.anchors import Activation
from snnet_lightning.errors import InputError
from snnet_lightning.network.low_rank import LowRankLinear
from snnet_lightning.network.stitching_layer import StitchingLayer

LAYOUTS = {"NCHW": (8, 3, 5), "NHWC": (3, 5, 8), "NLC": (15, 8)}


def as_map(x, layout):
    """(N, H, W, C), written out for each layout."""
    return {"NCHW": lambda: x.movedim(1, -1), "NHWC": lambda: x, "NLC": lambda: x.view(len(x), 3, 5, -1)}[layout]()


@pytest.mark.parametrize("target", LAYOUTS)
@pytest.mark.parametrize("source", LAYOUTS)
@torch.no_grad()
def test_every_position_is_mapped_and_stays_where_it_was(source, target):
    wanted = {"NCHW": (6, 3, 5), "NHWC": (3, 5, 6), "NLC": (15, 6)}[target]
    layer = StitchingLayer(Activation(source, LAYOUTS[source]), Activation(target, wanted))
    x = torch.randn(2, *LAYOUTS[source])
    y = layer(x)
    assert y.shape == (2, *wanted)
    expected = torch.einsum("nhwc,dc->nhwd", as_map(x, source), layer.transform.weight) + layer.transform.bias
    torch.testing.assert_close(as_map(y, target), expected)


@torch.no_grad()
def test_class_tokens_are_dropped_or_made_of_the_mean():
    grid, tokens = Activation("NLC", (4, 8)), Activation("NLC", (5, 6), prefix=1)
    x = torch.randn(2, 4, 8)
    layer = StitchingLayer(grid, tokens)
    torch.testing.assert_close(layer(x)[:, 1:], layer.transform(x))
    torch.testing.assert_close(layer(x)[:, 0], layer.transform(x.mean(1)))
    back = StitchingLayer(tokens, Activation("NCHW", (8, 2, 2)))
    y = torch.randn(2, 5, 6)
    torch.testing.assert_close(back(y), back.transform(y[:, 1:]).view(2, 2, 2, 8).movedim(-1, 1))


@pytest.mark.parametrize(
    "target", [Activation("NCHW", (6, 5, 3)), Activation("NHWC", (7, 7, 6)), Activation("NLC", (16, 6))]
)
def test_other_grids_are_refused_with_their_shapes(target):
    with pytest.raises(
        InputError, match=rf"spatial size: NCHW \(8, 3, 5\) against {target.layout} \({target.shape[0]}"
    ):
        StitchingLayer(Activation("NCHW", (8, 3, 5)), target)


def trained(rank=3):
    torch.manual_seed(0)
    layer = LowRankLinear(10, 7, rank)
    nn.init.normal_(layer.lora_B)
    return layer


@torch.no_grad()
def test_low_rank_term_by_hand():
    layer, x = trained(), torch.randn(4, 10)
    matrix = layer.weight + layer.lora_B @ layer.lora_A / 3
    torch.testing.assert_close(layer(x), x @ matrix.T + layer.bias)
    torch.testing.assert_close(layer.folded()(x), layer(x))


def test_low_rank_starts_as_the_plain_layer_with_a_frozen_matrix():
    layer, x = LowRankLinear(10, 7, 3), torch.randn(4, 10)
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    assert [name for name, p in layer.named_parameters() if p.requires_grad] == ["bias", "lora_A", "lora_B"]


@torch.no_grad()
def test_modes_saving_and_loading_in_any_order_change_nothing(tmp_path):
    layer, x = trained(), torch.randn(4, 10)
    expected = layer(x)
    for step in ("eval", "save", "load", "train", "eval", "load", "save", "eval", "train", "load"):
        if step == "save" or not (tmp_path / "layer.pt").exists():
            torch.save(layer.state_dict(), tmp_path / "layer.pt")
        if step == "load":
            mode = layer.training
            layer = LowRankLinear(10, 7, 3).train(mode)
            layer.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
        if step in ("eval", "train"):
            getattr(layer, step)()
        assert torch.equal(layer(x), expected)
