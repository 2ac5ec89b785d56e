"""A network with everything known of it, and those with BatchNorm layers."""

import copy
import shutil
from functools import cache

import pytest

from snnet_lightning.anchors import AnchorFamily
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.description import Preprocessing
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.metrics import Score
from snnet_lightning.evaluation.results import stitch_rows
from snnet_lightning.network import SNNet
from snnet_lightning.network.create import create_net
from snnet_lightning.stitch import PairedRule
from tests.network.conftest import batch_norm_net

__all__ = ["batch_norm_net"]


NAMES = ("digits_tiny", "digits_small", "digits_base")


@cache
def _evaluated() -> SNNet:
    """Made once, for that takes longer than a copy."""
    data = DigitsDataModule()
    net = create_net(
        AnchorFamily(NAMES, (1, 8, 8), 10),
        PairedRule(),
        preprocessing=Preprocessing(**data.preprocessing),
        class_names=[f"the {name}" for name in data.class_names],
    ).eval()
    net.rows = stitch_rows(stitch_costs(net), [Score(90 + i / 7, 99.0, 0.1 * i, 540) for i in range(35)])
    net.origin = net.origin.model_copy(update={"measured_on": "digits, split test"})
    return net


@pytest.fixture
def evaluated() -> SNNet:
    """The digits family with class names and preprocessing; accuracies are made up, and grow with the id."""
    return copy.deepcopy(_evaluated())


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of that network, written once, for that takes longer than a copy: to be read, not changed."""
    path = tmp_path_factory.mktemp("saved") / "net"
    copy.deepcopy(_evaluated()).save_pretrained(path)
    return path


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of what was saved."""
    return shutil.copytree(saved, tmp_path / "net")
