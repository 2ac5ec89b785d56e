"""Shared by all tests."""

import os

# Idle OpenMP threads must not spin: two cores are shared with data workers and sub-processes here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Callable
from typing import Any

import lightning as L
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


@pytest.fixture
def make_trainer(tmp_path) -> Callable[..., L.Trainer]:
    """A Trainer on the CPU that shows and stores nothing, unless told otherwise."""

    def make(**options: Any) -> L.Trainer:
        silent = {f"enable_{what}": False for what in ("checkpointing", "progress_bar", "model_summary")}
        defaults = {"accelerator": "cpu", "devices": 1, "logger": False, "default_root_dir": tmp_path, **silent}
        return L.Trainer(**defaults | options)

    return make
