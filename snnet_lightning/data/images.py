"""Images of a timm reader by index, reproducibly augmented; a file that cannot be decoded is named."""

from typing import NamedTuple

import torch
from PIL import Image
from timm.data import ImageDataset
from torch import Tensor
from torch.utils.data import Dataset

from snnet_lightning.data.order import PADDING, Draw
from snnet_lightning.evaluation.metrics import NOT_COUNTED
from snnet_lightning.seeding import seed_generators

MOST_RETRIES = 10  # neighbours tried in place of an unreadable image, as many as timm tries


class Item(NamedTuple):
    """One image (C, H, W) of bytes, its class, the seed of its augmentation, and the files that could not be read."""

    image: Tensor
    label: int
    seed: int
    unreadable: tuple[str, ...] = ()
    training: bool = False  # whether the batch is to be erased and mixed


class Batch(NamedTuple):
    """Images (N, C, H, W) of bytes, classes (N), one seed for what is done to the whole batch, and unreadable files."""

    images: Tensor
    labels: Tensor
    seed: int
    unreadable: tuple[str, ...]
    training: bool


class SeededImages(Dataset):
    """What a timm ``ImageDataset`` holds, asked for by ``Draw``.

    Args:
        images: timm's data set, whose transform gives (C, H, W) bytes.
        training: whether an unreadable image is replaced by the next one; in evaluation it is not counted.
    """

    def __init__(self, images: ImageDataset, input_size: tuple[int, int, int], training: bool):
        self.images, self.input_size, self.training = images, input_size, training

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draw: Draw) -> Item:
        if draw == PADDING:
            return self._blank(draw)
        unreadable: list[str] = []
        for neighbour in range(MOST_RETRIES if self.training else 1):
            index = (draw.index + neighbour) % len(self)
            try:
                pixels, label, *_ = self.images.reader[index]
                pixels = Image.open(pixels).convert(self.images.input_img_mode)
            except Exception as error:  # every decoder has its own ways to fail
                unreadable.append(f"{self.images.filename(index, absolute=True)} ({_reason(error)})")
                continue
            seed_generators(draw.seed)
            return Item(self.images.transform(pixels), label, draw.seed, tuple(unreadable), self.training)
        return self._blank(draw, tuple(unreadable))

    def _blank(self, draw: Draw, unreadable: tuple[str, ...] = ()) -> Item:
        return Item(torch.zeros(self.input_size, dtype=torch.uint8), NOT_COUNTED, draw.seed, unreadable, self.training)


def collate(items: list[Item]) -> Batch:
    """Stack items into one batch."""
    unreadable = tuple(name for item in items for name in item.unreadable)
    labels = torch.tensor([item.label for item in items])
    return Batch(torch.stack([item.image for item in items]), labels, items[0].seed, unreadable, items[0].training)


def _reason(error: Exception) -> str:
    return "not an image" if type(error).__name__ == "UnidentifiedImageError" else str(error) or type(error).__name__
