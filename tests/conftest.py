"""Shared by all tests."""

import os

# Idle OpenMP threads must not spin: two cores are shared with data workers and sub-processes here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedSpace

DIGITS = ["digits_tiny", "digits_small", "digits_base"]


@pytest.fixture
def digits_net() -> SNNet:
    """The embedded family with its shipped weights, and randomly initialised stitching layers."""
    torch.manual_seed(0)
    return SNNet(create_anchors(DIGITS, (1, 8, 8), 10), PairedSpace()).eval()
