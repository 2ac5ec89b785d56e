"""Evaluating all stitches in one pass keeps what another stitch goes on from, and nothing else."""

import weakref
from itertools import takewhile

import pytest
import torch

from snnet_lightning.network.prefix_tree import forward_all


class LiveTensors:
    """Everything that modules of a network gave and that still lives, and what is watched besides."""

    def __init__(self, net):
        self.seen = []
        for module in net.modules():
            module.register_forward_hook(lambda _, inputs, output: self.watch(output))

    def watch(self, tensor):
        self.seen.append(weakref.ref(tensor))
        return tensor

    def count(self):
        return len({id(tensor) for ref in self.seen if (tensor := ref()) is not None})


def shared(route, other):
    """How many parts two routes have in common before they part."""
    return len([*takewhile(lambda pair: pair[0] == pair[1], zip(route, other, strict=False))])


@pytest.mark.parametrize("some", [slice(None), slice(0, 1), slice(-1, None), slice(5, 25, 3)])
@torch.no_grad()
def test_what_lives_is_where_later_stitches_branch_off(digits_net, some):
    stitches = list(digits_net.space)[some]
    live = LiveTensors(digits_net)
    found = []
    # The images too are given away here, and die when the last stem has run.
    for stitch, logits in forward_all(digits_net, live.watch(torch.randn(5, 1, 8, 8)), stitches):
        assert logits.shape == (5, 10)
        found.append((stitch, live.count()))
        del logits
    assert sorted(stitch.id for stitch, _ in found) == [stitch.id for stitch in stitches]
    for place, (stitch, count) in enumerate(found):
        points = {shared(stitch.route, later.route) for later, _ in found[place + 1 :]}
        assert count == len(points) + 1, stitch.name  # and its logits
        assert count <= len({shared(stitch.route, s.route) for s in stitches if s is not stitch}) + 1
    if len(stitches) == 35:
        assert max(count for _, count in found) < 10
    assert live.count() == 0
