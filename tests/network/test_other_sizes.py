"""Images of another size than the anchors were made for: run as by hand, or refused in one line."""

import pytest
import torch
from torch import Tensor

from snnet_lightning.anchors import create_anchors
from snnet_lightning.errors import InputError
from snnet_lightning.network import SNNet
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.stitch import FittingRule, PairedRule, StagedRule, TwoWayRule
from snnet_lightning.stitch.route import Layer

DYNAMIC = {"dynamic_img_size": True}
VIT = {"embed_dim": 16, "depth": 3, "num_heads": 2, "patch_size": 16}
SWIN = {"window_size": 2, "embed_dim": 16, "depths": (2, 2), "num_heads": (1, 2)}
DEITS = ["deit_tiny_patch16_224", "deit_small_patch16_224"]
SWINS = ["swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"]


def make(names, rule, each, size=64, low_rank=None):
    torch.manual_seed(0)
    anchors = create_anchors(names, (3, size, size), 5, "checkpoint", {}, each)
    net = SNNet(anchors, rule, low_rank).eval()
    for name, parameter in net.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    return net


def by_hand(net: SNNet, stitch, x: Tensor) -> Tensor:
    """The anchors' own parts, and one matrix product for every token or pixel between them."""
    for part in stitch.route:
        if not isinstance(part, Layer):
            x = net.anchors[part.anchor].run(part, x)
            continue
        layer = net.stitching_layers["_".join(map(str, part.key))]
        transform = getattr(layer.transform, "folded", lambda layer=layer: layer.transform)()
        x = x.movedim(1, -1) if layer.source.layout == "NCHW" else x
        x = torch.einsum("n...c,dc->n...d", x, transform.weight) + transform.bias
        x = x.movedim(-1, 1) if layer.target.layout == "NCHW" else x
    return x


NETS = {
    "paired": lambda: make(DEITS, PairedRule(), [VIT | DYNAMIC, VIT | DYNAMIC | {"embed_dim": 32}]),
    "two-way": lambda: make(DEITS, TwoWayRule(), [VIT | DYNAMIC, VIT | DYNAMIC | {"depth": 4}], low_rank=2),
    "swins": lambda: make(SWINS, StagedRule(), [SWIN | DYNAMIC, SWIN | DYNAMIC | {"depths": (3, 2)}]),
    "maps to windows": lambda: make(["resnet10t", SWINS[0]], FittingRule(), [{}, SWIN | DYNAMIC | {"depths": (6, 2)}]),
    "low rank on maps": lambda: make(["resnet10t", "resnet18"], StagedRule(), None, low_rank=2),
}


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("size", [(64, 64), (96, 96), (32, 128)])  # the last has as many tokens as the first
@torch.no_grad()
def test_every_stitch_is_its_parts_by_hand(kind, size):
    net, images = NETS[kind](), torch.randn(2, 3, *size)
    assert len(net.space) > len(net.anchors)
    together = dict(forward_all(net, images, net.space))
    for stitch in net.space:
        expected = by_hand(net, stitch, images)
        torch.testing.assert_close(net(images, stitch), expected)
        torch.testing.assert_close(together[stitch], expected)
    for stitch, anchor in zip(net.space.anchors, net.anchors, strict=True):
        assert torch.equal(net(images, stitch), anchor.model(images))


FIXED = {
    "positions of one size": lambda: make(DEITS, PairedRule(), [VIT | DYNAMIC, VIT]),
    "rotary positions": lambda: make(
        ["vit_small_patch16_dinov3", DEITS[0]], PairedRule(), [{**VIT, "embed_dim": 32}, VIT | DYNAMIC]
    ),
    "tokens to maps": lambda: make([DEITS[0], "xcit_nano_12_p16_224"], PairedRule(), [VIT | DYNAMIC, VIT]),
}


@pytest.mark.parametrize("kind", FIXED)
@pytest.mark.parametrize("size", [(96, 96), (32, 128)])
@torch.no_grad()
def test_what_holds_for_one_size_is_refused_at_another(kind, size):
    net = FIXED[kind]()
    for stitch in net.space:
        assert net(torch.randn(1, 3, 64, 64), stitch).shape == (1, 5)
        with pytest.raises(
            InputError, match=rf"^images of 3x{size[0]}x{size[1]}: this network takes 3x64x64 .*input_size"
        ):
            net(torch.randn(1, 3, *size), stitch)
