"""Convolutions whose channels lie last in memory compute the same."""

import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import StagedRule


def efficientnets(**options):
    torch.manual_seed(0)
    anchors = create_anchors(["tf_efficientnet_lite0", "tf_efficientnet_lite1"], (3, 64, 64), 10, "checkpoint")
    return SNNet(anchors, StagedRule(), **options)


def test_all_along_a_route_the_same_values_lie_channels_last():
    plain, net = efficientnets(), efficientnets(channels_last=True)
    images = torch.randn(4, 3, 64, 64)
    stitch = next(stitch for stitch in net.space if not stitch.is_anchor)
    seen = []
    blocks = (block for anchor in net.anchors for blocks in anchor.stages() for block in blocks)
    parts = [*blocks, *net.stitching_layers.values()]
    for part in parts:
        part.register_forward_hook(lambda part, given, made: seen.append(made))
    torch.testing.assert_close(net.eval()(images, stitch), plain.eval()(images, stitch), rtol=1e-4, atol=1e-5)
    maps = [made for made in seen if made.shape[2] > 1]  # a map of one pixel lies both ways
    assert len(maps) > 10
    assert all(made.is_contiguous(memory_format=torch.channels_last) for made in maps)
    assert not any(made.is_contiguous() for made in maps)


def test_a_training_step_and_a_file_are_the_same():
    plain, net = efficientnets(), efficientnets(channels_last=True)
    images, classes = torch.randn(4, 3, 64, 64), torch.arange(4)
    for each in (plain.double(), net.double()):
        torch.nn.functional.cross_entropy(each.train()(images.double(), 3), classes).backward()
    for (name, there), here in zip(plain.named_parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(here.grad, there.grad, rtol=1e-6, atol=1e-8, msg=name)
    assert net.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(net.state_dict())
    assert all(value.is_contiguous() for value in plain.state_dict().values())
