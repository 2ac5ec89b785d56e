"""Loading of training batches against timm's own loader, side by side; prints ratios, asserts nothing about time."""

import time
from statistics import median

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_dataset, create_loader

from snnet_lightning.data import ImageDataModule

ROUNDS, BATCH, IMAGES, SIZE = 5, 32, 512, (3, 224, 224)
AUGMENTATION = "rand-m9-mstd0.5-inc1"
ERASING = {"probability": 0.25, "mode": "pixel"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for split, count in (("train", IMAGES), ("val", 2)):
        for index in range(count):
            folder = root / split / str(index % 2)
            folder.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(generator.integers(0, 255, (24, 32, 3), dtype=np.uint8))
            coarse.resize((500, 375)).save(folder / f"{index}.jpg", quality=90)
    return root


def timms(tree, workers):
    dataset = create_dataset("", root=str(tree / "train"), search_split=False)
    return create_loader(
        dataset,
        SIZE,
        BATCH,
        is_training=True,
        auto_augment=AUGMENTATION,
        interpolation="bicubic",
        re_prob=ERASING["probability"],
        re_mode=ERASING["mode"],
        num_workers=workers,
        device=torch.device("cpu"),
        persistent_workers=workers > 0,
    )


def ours(tree, workers):
    data = ImageDataModule(
        str(tree),
        SIZE,
        ["deit_tiny_patch16_224"],
        BATCH,
        workers,
        augmentation={"auto_augment": AUGMENTATION},
        erasing=ERASING,
    )
    data.setup()
    loader = data.train_dataloader()

    class OnDevice:
        def __iter__(self):
            return (data.on_after_batch_transfer(batch, 0) for batch in loader)

    return OnDevice()


@pytest.mark.benchmark
@pytest.mark.parametrize("workers", [0, 2])
def test_throughput(tree, workers):
    def rate(loader):
        next(iter(loader))  # the workers are up
        start = time.perf_counter()
        count = sum(len(images) for images, _ in loader)  # a whole epoch, since timm's loader works one batch ahead
        return count / (time.perf_counter() - start)

    ratios = []
    for turn in range(ROUNDS):
        kinds = (ours, timms) if turn % 2 else (timms, ours)
        rates = {kind: rate(kind(tree, workers)) for kind in kinds}
        ratios.append(rates[ours] / rates[timms])
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"\n{workers} workers: ours / timm {median(ratios):.3f} ({spread}), timm {rates[timms]:.0f} images/s")
