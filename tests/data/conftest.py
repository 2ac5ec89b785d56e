"""The small ImageNet, served."""

import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.data import ImageDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule

ANCHORS = ["deit_tiny_patch16_224", "deit_small_patch16_224"]
CLASSES = ["ant", "bee", "cat"]


def write_tars(tree, root):
    for split in ("train", "val"):
        with tarfile.open(root / f"{split}.tar", "w") as tar:
            tar.add(tree / split, arcname=".")


def write_shards(tree, root, shards):
    """``train-0.tar`` and so on, the images dealt out to them in turn: keys ``jpg`` and ``cls``."""
    for split in ("train", "val"):
        files = sorted((tree / split).rglob("*.jpg"))
        for shard in range(shards):
            with tarfile.open(root / f"{split}-{shard}.tar", "w") as tar:
                for index, file in enumerate(files):
                    if index % shards == shard:
                        label = str(CLASSES.index(file.parent.name)).encode()
                        for extension, content in (("jpg", file.read_bytes()), ("cls", label)):
                            entry = tarfile.TarInfo(f"{index:04d}.{extension}")
                            entry.size = len(content)
                            tar.addfile(entry, BytesIO(content))


@pytest.fixture
def tars(imagenet_tree, tmp_path):
    write_tars(imagenet_tree, tmp_path)
    return {"root": str(tmp_path)}


@pytest.fixture
def shards(imagenet_tree, tmp_path):
    write_shards(imagenet_tree, tmp_path, 3)
    splits = {"train_split": "train-{0..2}.tar|18", "val_split": "val-{0..2}.tar|15"}
    return {"root": str(tmp_path), "reader": "wds/", "num_classes": 3, **splits}


@pytest.fixture
def make_data(imagenet_tree) -> Iterator[Callable[..., ImageDataModule]]:
    """A DataModule that is set up, without augmentation beyond crop and flip unless told otherwise."""
    served = []

    def make(**options: Any) -> ImageDataModule:
        defaults = {"root": str(imagenet_tree), "input_size": (3, 32, 32), "anchors": ANCHORS, "batch_size": 4}
        data = ImageDataModule(**defaults | {"num_workers": 0} | options)
        data.setup()
        served.append(data)
        return data

    yield make
    for data in served:
        data.teardown("fit")  # ends the workers; found by the garbage collector, each would keep it waiting


@pytest.fixture
def tiny_module() -> SNNetModule:
    """Two vision transformers of two blocks for 32x32 pixels and three classes, random but always the same."""
    torch.manual_seed(0)
    widths = [{"embed_dim": 16, "num_heads": 2}, {"embed_dim": 32, "num_heads": 2}]
    anchors = create_anchors(ANCHORS, (3, 32, 32), 3, "random", {"depth": 2, "patch_size": 8}, widths)
    recipe = OptimizerRecipe("adamw", lr=1e-3)
    return SNNetModule(SNNet(anchors, PairedRule()), UniformSampler(seed=3), recipe)
