"""A few images of a DataModule, outside of any training."""

from collections.abc import Iterable

import lightning as L
import torch
from torch import Tensor

from snnet_lightning.evaluation.metrics import NOT_COUNTED


def test_images(datamodule: L.LightningDataModule, count: int) -> Tensor:
    """The first ``count`` test images (N, C, H, W), as a network gets them; fewer where there are not as many."""
    return _first(datamodule, "test", "test_dataloader", count)


def training_images(datamodule: L.LightningDataModule, count: int) -> Tensor:
    """``count`` training images (N, C, H, W) without augmentation, in random order, as a network gets them."""
    return _first(datamodule, "fit", "initialisation_dataloader", count)


def _first(datamodule: L.LightningDataModule, stage: str, loader: str, count: int) -> Tensor:
    datamodule.prepare_data()
    datamodule.setup(stage)
    found: list[Tensor] = []
    batches: Iterable = getattr(datamodule, loader)()
    for batch in batches:
        images, classes = datamodule.on_after_batch_transfer(batch, 0)
        found.append(images[classes != NOT_COUNTED])
        if sum(map(len, found)) >= count:
            break
    return torch.cat(found)[:count].cpu()
