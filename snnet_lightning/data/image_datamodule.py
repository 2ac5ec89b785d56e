"""ImageNet and its like: images of any timm reader, timm's augmentations, batches normalised on the device."""

import logging
import tarfile
from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from timm.data import Mixup, create_dataset, create_transform
from timm.data.random_erasing import RandomErasing
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from snnet_lightning.checked import Seed, Workers
from snnet_lightning.data.alpha_apart import AlphaApart
from snnet_lightning.data.anchor_preprocessing import OF_CHANNELS, preprocessing
from snnet_lightning.data.class_map import read_class_map
from snnet_lightning.data.image_files import check_class_folders, check_shards, split_path
from snnet_lightning.data.images import MOST_RETRIES, Batch, SeededImages, collate
from snnet_lightning.data.reproducible import ReproducibleDataModule
from snnet_lightning.data.simple_crop import with_simple_crop
from snnet_lightning.data.streams import EvaluationStream, StreamLoader, TrainingStream
from snnet_lightning.data.timm_options import Augmentation, CropShare, Erasing, Interpolation, Mixing
from snnet_lightning.description import IMAGE_MODES, Preprocessing
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.metrics import NOT_COUNTED
from snnet_lightning.seeding import seed_generators

log = logging.getLogger(__name__)

MOST_REPEATS = 100
READERS = ("wds/", "hfds/", "hfids/", "tfds/")  # timm takes any other name for that of a folder


class ImageDataModule(ReproducibleDataModule):
    """Serves class folders, tar files, or what else a timm reader reads.

    Its classes and its preprocessing are known as soon as it is made; the files are walked once, on the first need.

    Args:
        root: folder with ``train/`` and ``val/`` (or ``train.tar`` and ``val.tar``), or what the reader wants.
        input_size: (channels, height, width) that the anchors take; 1 channel is grey, 3 are RGB, 4 RGBA.
        anchors: timm names of the anchors, whose data configurations fill what is None below.
        batch_size: images a training step (of one process).
        num_workers: worker processes of each loader; None: by the number of cores.
        seed: seed of order and augmentation.
        reader: "" for folders and tar files, else as ``timm.data.create_dataset`` names it (``wds/``, ``hfds/name``).
        train_split, val_split: names of the splits, for ``wds/`` patterns of shards.
        class_map: text file with the name of one class a line, in order; None: class folders in order.
        num_classes: number of classes, where the reader cannot tell.
        mean, std, interpolation, crop_pct: preprocessing; None: as the anchors agree.
        augmentation: keyword arguments of timm's ``create_transform`` for training.
        erasing: keyword arguments of timm's ``RandomErasing``, done on the device; None: none.
        mixup: keyword arguments of timm's ``Mixup``, done on the device; None: none.
        repeats: how often every training image comes in a row (repeated augmentation).
        unreadable: ``skip`` files that cannot be decoded, with a warning that names them (in training the next image
            takes the place, in evaluation the file is not counted), or ``refuse`` to go on.
        anchors_preprocessing: what the anchors are known to want; None: as timm has it.

    Raises:
        InputError: anything of this is missing or does not fit.
    """

    def __init__(
        self,
        root: str,
        input_size: tuple[PositiveInt, PositiveInt, PositiveInt],
        anchors: list[str],
        batch_size: PositiveInt,
        num_workers: Workers | None = None,
        seed: Seed = 0,
        reader: str = "",
        train_split: str = "train",
        val_split: str = "val",
        class_map: str | None = None,
        num_classes: PositiveInt | None = None,
        mean: list[float] | None = None,
        std: list[PositiveFloat] | None = None,
        interpolation: Interpolation | None = None,
        crop_pct: CropShare | None = None,
        augmentation: Augmentation | None = None,
        erasing: Erasing | None = None,
        mixup: Mixing | None = None,
        repeats: Annotated[int, Field(gt=0, le=MOST_REPEATS)] = 1,
        unreadable: Literal["skip", "refuse"] = "skip",
        anchors_preprocessing: Preprocessing | None = None,
    ):
        super().__init__(batch_size, num_workers, seed, repeats)
        # Into checkpoints, as plain data; what the anchors want is in their description.
        self.save_hyperparameters(logger=False, ignore=["anchors_preprocessing"])
        self.hparams["input_size"] = [*input_size]
        if mixup and batch_size % 2:
            raise InputError(f"data.batch_size={batch_size}: must be even, since mixup pairs the images of a batch")
        if input_size[0] not in IMAGE_MODES:
            raise InputError(f"anchors.input_size={[*input_size]}: images have 1, 3 or 4 channels, not {input_size[0]}")
        self.root, self.reader, self.splits = root, reader, (train_split, val_split)
        self.class_map = read_class_map(class_map, root) if class_map else None
        self.input_size = (*input_size,)
        said = {"mean": mean, "std": std, "interpolation": interpolation, "crop_pct": crop_pct}
        self.preprocessing = preprocessing(anchors, said, self.input_size, anchors_preprocessing)
        self.augmentation, self.erasing, self.mixup = augmentation or {}, erasing, mixup
        for key, make in {"erasing": RandomErasing, "mixup": Mixup}.items():
            _checked(key, make, **getattr(self, key) or {})
        if mixup and not any(
            {"mixup_alpha": 1, **mixup}.get(k) for k in ("mixup_alpha", "cutmix_alpha", "cutmix_minmax")
        ):
            raise InputError(
                "data.mixup.mixup_alpha=0: must be above 0, or data.mixup.cutmix_alpha; data.mixup=null mixes nothing"
            )
        for training in (True, False):
            self._transform(training)  # so that what is wrong with it is told before images are read
        self.unreadable, self.named = unreadable, set[str]()
        self.said_classes = num_classes

    @property
    def identity(self) -> tuple[Any, ...]:
        return *super().identity, self.root, self.reader, self.splits[1], self.class_map, self.preprocessing

    @property
    def test_images(self) -> str:
        """What its test images are, in words, without where they lie on this machine."""
        return f"{self.reader}{Path(self.root).name}, split {self.splits[1]}"

    @property
    def num_classes(self) -> int:
        if self._classes:
            return max(self._classes.values()) + 1
        if self.said_classes is None:
            raise InputError(f"data.num_classes must be said: data.reader={self.reader} cannot tell the classes")
        return self.said_classes

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes by index; None where the reader does not know them."""
        return tuple(sorted(self._classes, key=self._classes.__getitem__)) if self._classes else None

    @cached_property
    def _classes(self) -> dict[str, int] | None:
        """Names and indices of the classes, where both splits' readers know them."""
        train, test = (_class_indices(images.reader) for images in self._images)
        if train and test and train != test:
            differ = sorted(set(train) ^ set(test))
            raise InputError(f"data.root={self.root}: the classes of the splits differ: {', '.join(differ[:4])}")
        return train and test

    @cached_property
    def _images(self) -> tuple[Any, Any]:
        """timm's data sets to train and to test on; their files are walked here."""
        if not self.reader and not self.class_map:
            check_class_folders(*(split_path(self.root, split) for split in self.splits))
        return self._datasets()

    def _datasets(self) -> tuple[Any, Any]:
        train, test = self.splits
        return self._dataset(train, training=True), self._dataset(test, training=False)

    def setup(self, stage: str | None = None) -> None:
        rank, world = self.share
        _ = self.num_classes  # they are told now, if they cannot be
        train, test = self._images
        if isinstance(train, IterableDataset):
            # Made anew, for timm's readers of streams share them among the processes that they find when made.
            train, test = self._datasets()
            self.train_set = TrainingStream(train, self.seed, rank, self.every_epoch_the_first)
            self.test_set = EvaluationStream(test, self.input_size, rank, world)
        else:
            self.train_set = SeededImages(train, self.input_size, training=True)
            self.test_set = SeededImages(test, self.input_size, training=False)
        self.check_batch_size()

    def train_dataloader(self) -> DataLoader:
        if isinstance(self.train_set, TrainingStream):
            return self._loader(self.train_set, StreamLoader, batch_size=self.batch_size, drop_last=True)
        return super().train_dataloader()

    @property
    def plain_train_set(self) -> Dataset:
        if isinstance(self.train_set, TrainingStream):
            return EvaluationStream(self._dataset(self.splits[0], training=False), self.input_size, 0, 1)
        images = copy(self.train_set.images)  # its reader too: walking through ImageNet's files takes long
        images.transform = self._transform(training=False)
        return SeededImages(images, self.input_size, training=False)

    collate = staticmethod(collate)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> tuple[Tensor, Tensor]:
        """Normalise, erase and mix on the device; targets become shares of classes (N, classes) where mixed."""
        self._report(batch.unreadable)
        if batch.training and len(batch.unreadable) >= MOST_RETRIES and (batch.labels == NOT_COUNTED).any():
            raise InputError(f"{batch.unreadable[-1]} and the {MOST_RETRIES - 1} images before it cannot be read")
        mean, std = (
            255 * torch.tensor(self.preprocessing[key], device=batch.images.device).view(-1, 1, 1)
            for key in ("mean", "std")
        )
        images, targets = batch.images.float().sub_(mean).div_(std), batch.labels
        if batch.training:
            seed_generators(batch.seed)
            if self.erasing:
                images = RandomErasing(**self.erasing, device=images.device)(images)
            if self.mixup:
                # Labels are smoothed by the loss, mixed or not.
                images, targets = Mixup(**self.mixup, label_smoothing=0, num_classes=self.num_classes)(images, targets)
        return images, targets

    def _report(self, unreadable: Sequence[str]) -> None:
        if unreadable and self.unreadable == "refuse":
            raise InputError(f"{unreadable[0]} cannot be read; data.unreadable=skip leaves such files out")
        for name in set(unreadable) - self.named:
            log.warning("left out, since it cannot be read: %s", name)
            self.named.add(name)

    def _dataset(self, split: str, training: bool) -> Any:
        if self.reader and not self.reader.lower().startswith(READERS):
            raise InputError(f"data.reader={self.reader}: must be empty or begin with one of {', '.join(READERS)}")
        try:
            dataset = create_dataset(
                self.reader,
                root=self.root if self.reader else str(split_path(self.root, split)),
                split=split,
                search_split=False,
                class_map=self.class_map,  # type: ignore[arg-type]  # None is its default
                is_training=training,
                batch_size=self.batch_size,
                seed=self.seed,
                input_img_mode=IMAGE_MODES[self.input_size[0]],
            )
        except (RuntimeError, AssertionError, ImportError, OSError, KeyError, tarfile.TarError) as error:
            said = {"reader": self.reader, "class_map": self.hparams["class_map"]}
            where = "".join(f"data.{key}={value} " for key, value in said.items() if value)
            raise InputError(f"{where}data.root={self.root}, split {split}: {error}") from error
        if self.reader.lower().startswith("wds/"):
            check_shards(self.root, dataset.reader.split_info.filenames)
        dataset.transform = self._transform(training)
        return dataset

    def _transform(self, training: bool) -> Callable[..., Tensor]:
        if self.input_size[0] == 4:
            return AlphaApart(self._transform_of(training, slice(3)), self._transform_of(training, slice(3, 4)))
        return self._transform_of(training, slice(None))

    def _transform_of(self, training: bool, channels: slice) -> Callable[..., Tensor]:
        options = self.preprocessing | {key: self.preprocessing[key][channels] for key in OF_CHANNELS}
        options |= self.augmentation if training else {}
        simple = options.get("train_crop_mode") == "src"
        if simple:
            options["train_crop_mode"] = None
        # Bytes; the rest is done on the device, for the whole batch.
        make = partial(create_transform, is_training=training, use_prefetcher=True)
        transform = _checked("augmentation", make, self.input_size, **options)
        return with_simple_crop(transform, self.input_size[1:], options["interpolation"]) if simple else transform


def _class_indices(reader: Any) -> dict[str, int] | None:
    """Names and indices of the classes, where a timm reader knows them; the tar reader has a name of its own."""
    return getattr(reader, "class_to_idx", None) or getattr(reader, "class_name_to_idx", None)


def _checked(key: str, make: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What timm makes of the options in ``data.key``."""
    try:
        return make(*arguments, **options)
    except (TypeError, AssertionError, ValueError) as error:
        raise InputError(f"data.{key}: {error}") from error
