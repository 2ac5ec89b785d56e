"""scikit-learn's bundled digits: 1797 real 8x8 grey images of handwritten digits, ten classes."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from snnet_lightning.anchors.digits import MEAN, STD
from snnet_lightning.checked import Seed, Workers
from snnet_lightning.data.anchor_preprocessing import preprocessing
from snnet_lightning.data.order import PADDING, Draw
from snnet_lightning.data.reproducible import ReproducibleDataModule
from snnet_lightning.evaluation.metrics import NOT_COUNTED

CLASS_NAMES = tuple("0123456789")
TEST_SHARE = 0.3
SPLIT_SEED = 0  # the split is part of the data set: it never changes with the seed of a run


@cache
def _split() -> tuple[Any, Any, Any, Any]:
    """Images to train on and to test on, then classes likewise; read once, for it takes longer than a step."""
    images, classes = load_digits(return_X_y=True)
    images = images.reshape(-1, 1, 8, 8) / 16
    return tuple(train_test_split(images, classes, test_size=TEST_SHARE, stratify=classes, random_state=SPLIT_SEED))


class DigitsDataset(Dataset):
    """One part of the fixed stratified split: 1257 images to train on, or 540 to test on.

    Items are (image, class), the image of shape ``input_size``, normalised.

    Args:
        train: which part.
        input_size: (channels, height, width); other than (1, 8, 8), images are resized and channels repeated.
    """

    def __init__(self, train: bool, input_size: tuple[int, int, int] = (1, 8, 8)):
        images, classes = _split()[0 if train else 1 :: 2]
        self.images = torch.tensor(images, dtype=torch.float32)
        self.classes = torch.tensor(classes)
        self.input_size = tuple(input_size)

    def __len__(self) -> int:
        return len(self.images)

    def raw(self, indices: Sequence[int]) -> Tensor:
        """Images (N, 1, 8, 8), pixels in 0..1."""
        return self.images[list(indices)]

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        return self.__getitems__([draw])[0]

    def __getitems__(self, draws: Sequence[Draw]) -> list[tuple[Tensor, Tensor]]:
        """A whole batch at once, as the DataLoader asks for it: one by one would take longer than a training step."""
        indices = [draw.index for draw in draws]
        images = self.raw(indices)
        channels, height, width = self.input_size
        if (height, width) != (8, 8):
            images = F.interpolate(images, (height, width), mode="bicubic", antialias=True)
        images = ((images - MEAN) / STD).expand(-1, channels, -1, -1)
        padding = torch.tensor([draw == PADDING for draw in draws], dtype=torch.bool)
        return list(zip(images, self.classes[indices].masked_fill(padding, NOT_COUNTED), strict=True))


class DigitsDataModule(ReproducibleDataModule):
    """Serves the digits; validation and test are the same images, as is the custom with ImageNet.

    Args:
        input_size: (channels, height, width) that the anchors take.
        batch_size: images a training step (of one process).
        num_workers: worker processes of each loader.
        seed: seed of the order.

    Raises:
        InputError: a batch larger than the training set.
    """

    num_classes = 10
    class_names = CLASS_NAMES
    test_images = "scikit-learn's digits, the fixed test part"

    def __init__(
        self,
        input_size: tuple[PositiveInt, PositiveInt, PositiveInt] = (1, 8, 8),
        batch_size: PositiveInt = 64,
        num_workers: Workers = 0,
        seed: Seed = 0,
    ):
        super().__init__(batch_size, num_workers, seed)
        self.save_hyperparameters(logger=False)
        self.hparams["input_size"] = [*input_size]  # into checkpoints, as plain data
        self.input_size = (*input_size,)
        self.preprocessing = preprocessing(["digits_base"], {}, self.input_size)

    def setup(self, stage: str | None = None) -> None:
        self.train_set = DigitsDataset(True, self.input_size)
        self.test_set = DigitsDataset(False, self.input_size)
        self.check_batch_size()

    collate = staticmethod(default_collate)
