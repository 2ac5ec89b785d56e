"""Shared by all tests. What takes seconds to import is imported where it is needed: workers wait for their controller,
which reads this file too.
"""

from __future__ import annotations

import os

# Idle OpenMP threads must not spin: two cores are shared with data workers and sub-processes here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault(
    "OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
)

import copy
import gc
import signal
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import lightning as L
    import torch

    from snnet_lightning.network import SNNet

# A shell starts what runs in its background with SIGINT ignored, and children inherit that: here they are interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What imports have left stays: the garbage collector would go through its million objects again and again.

    And it looks less often for what tests leave, which is little at a time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


DIGITS = ["digits_tiny", "digits_small", "digits_base"]


@cache
def _digits() -> tuple[SNNet, torch.Tensor]:
    """Made once, for that takes longer than a copy; and the random numbers that go on from there."""
    import torch

    from snnet_lightning.anchors import create_anchors
    from snnet_lightning.network import SNNet
    from snnet_lightning.stitch import PairedRule

    torch.manual_seed(0)
    net = SNNet(create_anchors(DIGITS, (1, 8, 8), 10), PairedRule()).eval()
    return net, torch.get_rng_state()


@pytest.fixture
def digits_net() -> SNNet:
    """The embedded family with its shipped weights, and randomly initialised stitching layers."""
    import torch

    net, random = _digits()
    torch.set_rng_state(random)
    return copy.deepcopy(net)


@pytest.fixture(scope="session")
def make_trainers() -> Callable[[Path], Callable[..., L.Trainer]]:
    """Of a folder, what makes Trainers on the CPU that show and store nothing, unless told otherwise."""

    def make(folder: Path, **options: Any) -> L.Trainer:
        import lightning as L

        silent = {f"enable_{what}": False for what in ("checkpointing", "progress_bar", "model_summary")}
        defaults = {"accelerator": "cpu", "devices": 1, "logger": False, "default_root_dir": folder, **silent}
        return L.Trainer(**defaults | options)

    return lambda folder: partial(make, folder)


@pytest.fixture
def make_trainer(make_trainers, tmp_path) -> Callable[..., L.Trainer]:
    """A Trainer on the CPU that shows and stores nothing, unless told otherwise."""
    return make_trainers(tmp_path)


@pytest.fixture(scope="session")
def peak_of_saved_activations() -> Callable[[Callable[[], object]], int]:
    """Bytes that autograd keeps for backward passes at the same time, at most, while a function runs."""
    import torch

    def peak(run: Callable[[], object]) -> int:
        live = most = 0

        class Saved:
            def __init__(self, tensor):
                nonlocal live, most
                # Detached, for what holds its own graph would never go.
                self.tensor, self.bytes = tensor.detach(), tensor.nbytes
                live += self.bytes
                most = max(most, live)

            def __del__(self):
                nonlocal live
                live -= self.bytes

        with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
            run()
        return most

    return peak


@pytest.fixture(scope="session")
def imagenet_tree(tmp_path_factory) -> Path:
    """A small ImageNet of JPEG files, with what a large one has among them: to be read, not changed.

    Three classes of six images in train and five in val; one file a split is no image.
    """
    import numpy as np
    from PIL import Image

    root, random = tmp_path_factory.mktemp("imagenet"), np.random.default_rng(0)
    for split, count in {"train": 6, "val": 5}.items():
        for place, name in enumerate(("ant", "bee", "cat")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                width, height = random.integers(36, 100, 2).tolist()
                coarse = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)  # something to see at every size
                coarse[..., place] //= 4
                image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
                special = {("ant", 1): "grey", ("ant", 2): "pixel", ("cat", 0): "cmyk"}.get((name, index), "image")
                image = {"grey": image.convert("L"), "pixel": image.resize((1, 1)), "cmyk": image.convert("CMYK")}.get(
                    special, image
                )
                image.save(folder / f"{special}_{index}.jpg", quality=95)
        sound = (root / split / "bee" / "image_3.jpg").read_bytes()
        (root / split / "bee" / "image_2.jpg").unlink()
        (root / split / "bee" / "corrupt_2.jpg").write_bytes(sound[: len(sound) // 2] if split == "train" else b"text")
    return root
