"""Networks with BatchNorm layers."""

from collections.abc import Callable

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from snnet_lightning.anchors import create_anchors
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import StagedRule

NARROW = {"channels": [8, 12, 16, 20]}
DEPTHS = [{"layers": [1, 2, 1, 1]}, {"layers": [2, 2, 2, 1]}]


@pytest.fixture
def batch_norm_net() -> Callable[[str], SNNet]:
    """Two random anchors of a family, whose running statistics are of no data."""

    def make(family: str = "resnet", **options: bool) -> SNNet:
        torch.manual_seed(0)
        if family == "levit":  # one-dimensional layers, some of them in the head
            anchors = create_anchors(["levit_128s", "levit_128"], (3, 32, 32), 10, "checkpoint")
        elif family == "efficientnet":  # layers with an activation of their own
            anchors = create_anchors(["efficientnet_lite0", "efficientnet_lite0"], (3, 32, 32), 10, "checkpoint")
        else:
            anchors = create_anchors(["resnet18", "resnet18"], (1, 16, 16), 10, "checkpoint", NARROW, DEPTHS)
        net = SNNet(anchors, StagedRule(), **options).eval()
        for layer in net.modules():
            if isinstance(layer, _BatchNorm):
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
                torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
        return net

    return make
