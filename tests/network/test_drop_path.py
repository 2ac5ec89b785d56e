"""Drop path at one rate for all blocks."""

import torch
from timm.layers import DropPath

from snnet_lightning.anchors import create_anchors
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import TwoWayRule

VIT = {"embed_dim": 16, "depth": 4, "num_heads": 2}
EACH = [VIT | {"drop_path_rate": 0.3}, VIT | {"drop_path_rate": 0.0}]


def rates(net):
    """Of both paths of every block, by anchor; 0 where none is dropped."""
    return [
        [
            getattr(path, "drop_prob", 0.0)
            for block in anchor.model.blocks
            for path in (block.drop_path1, block.drop_path2)
        ]
        for anchor in net.anchors
    ]


def make(**options):
    torch.manual_seed(0)
    names = ["deit3_small_patch16_224", "deit3_base_patch16_224"]
    return SNNet(create_anchors(names, (3, 32, 32), 10, "checkpoint", kwargs_each=EACH), TwoWayRule(), **options)


def test_linear_is_timms():
    found = rates(make())
    assert [round(rate, 6) for rate in found[0]] == [0, 0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert found[1] == [0] * 8


def test_constant_is_the_same_everywhere_and_changes_nothing_else():
    linear, constant = make(), make(drop_path="constant")
    assert rates(constant) == [[0.3] * 8, [0] * 8]
    assert not any(isinstance(module, DropPath) for module in constant.anchors[1].modules())
    assert constant.description == linear.description
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for stitch in linear.space:
            assert torch.equal(constant.eval()(images, stitch.id), linear.eval()(images, stitch))
