"""The network runs stitches as written by hand with timm's own modules, and in one pass as one by one."""

import pytest
import torch
from torch import nn

from snnet_lightning.errors import InputError
from snnet_lightning.network.prefix_tree import forward_all


@pytest.fixture
def images():
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_a_stitch_by_hand(digits_net, images):
    front, end = digits_net.anchors[0].model, digits_net.anchors[1].model
    x = front.norm_pre(front.patch_drop(front._pos_embed(front.patch_embed(images))))
    for block in front.blocks[:3]:
        x = block(x)
    layer = digits_net.stitching_layers["0_2"].transform
    x = x @ layer.weight.T + layer.bias
    for block in end.blocks[3:]:
        x = block(x)
    expected = end.forward_head(end.norm(x))
    torch.testing.assert_close(digits_net(images, "digits_tiny[:3] > digits_small[3:]"), expected)


@torch.no_grad()
def test_single_anchors_give_the_timm_models_own_output(digits_net, images):
    for stitch, anchor in zip(digits_net.space.anchors, digits_net.anchors, strict=True):
        assert torch.equal(digits_net(images, stitch), anchor.model(images))


@torch.no_grad()
def test_one_pass_equals_one_by_one_and_runs_front_blocks_once(digits_net, images):
    calls = {}
    for a, anchor in enumerate(digits_net.anchors):
        for b, block in enumerate(anchor.model.blocks):
            block.register_forward_hook(lambda *_, key=(a, b): calls.update({key: calls.get(key, 0) + 1}))
    together = {stitch.id: logits for stitch, logits in forward_all(digits_net, images, digits_net.space)}
    counted = dict(calls)
    assert sorted(together) == list(range(len(digits_net.space)))
    for stitch in digits_net.space:
        torch.testing.assert_close(together[stitch.id], digits_net(images, stitch), atol=1e-5, rtol=0)
    # The smallest anchor is only ever a front: once a block. The others run once as a front, and once more for every
    # stitch that enters them at or before the block.
    assert all(counted[0, b] == 1 for b in range(6))
    for anchor in (1, 2):
        entered = [s.route[-2].index + 1 - sum(p.anchor == anchor for p in s.route[:-1] if hasattr(p, "index"))
                   for s in digits_net.space if not s.is_anchor and s.anchors[-1] == anchor]  # fmt: skip
        for b in range(6):
            assert counted[anchor, b] == 1 + sum(k <= b for k in entered)


@torch.no_grad()
def test_select_switches_at_once(digits_net, images):
    assert torch.equal(digits_net(images), digits_net(images, 2))  # the largest anchor, unless told otherwise
    digits_net.select(7)
    assert torch.equal(digits_net(images), digits_net(images, 7))
    with pytest.raises(InputError, match="no stitch has id 99; ids run from 0 to 34"):
        digits_net.select(99)


def test_the_state_dict_holds_anchors_and_stitching_layers(digits_net):
    roots = {key.split(".")[0] for key in digits_net.state_dict()}
    assert roots == {"anchors", "stitching_layers"}
    assert all(isinstance(layer.transform, nn.Linear) for layer in digits_net.stitching_layers.values())
    assert len(digits_net.stitching_layers) == 10
