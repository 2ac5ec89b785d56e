"""Images of a timm reader that can only be read from beginning to end: WebDataset shards, TFDS, HF streams."""

from collections.abc import Iterator
from copy import copy
from typing import Any

import torch
from timm.data import IterableImageDataset
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from snnet_lightning.data.images import Item
from snnet_lightning.data.order import PADDING
from snnet_lightning.evaluation.metrics import NOT_COUNTED
from snnet_lightning.seeding import seed_generators


class TrainingStream(IterableDataset):
    """Shuffled and shared among processes and workers by timm; augmented by (seed, epoch, process, worker).

    With ``every_epoch_the_first`` all epochs are the same.
    """

    def __init__(self, images: IterableImageDataset, seed: int, rank: int, every_epoch_the_first: bool = False):
        self.images, self.seed, self.rank = images, seed, rank
        self.every_epoch_the_first = every_epoch_the_first
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = 0 if self.every_epoch_the_first else epoch
        self.images.set_epoch(self.epoch)

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Item]:
        worker = get_worker_info()
        seed = hash((self.seed, self.epoch, self.rank, worker.id if worker else 0)) % 2**32
        seed_generators(seed)
        images = copy(self.images)
        images.reader = copy(images.reader)  # timm's reader goes on with the shuffling of the epoch before
        for position, (image, label) in enumerate(images):
            yield Item(image, label, (seed + position) % 2**32, training=True)


class EvaluationStream(IterableDataset):
    """Every image once over all processes, and equally many in each.

    Every process reads the whole stream and keeps its share, for only so is it exact with any number of shards.
    """

    def __init__(self, images: IterableImageDataset, input_size: tuple[int, int, int], rank: int, world: int):
        self.images, self.input_size, self.rank, self.world = images, input_size, rank, world
        images.reader.dist_rank, images.reader.dist_num_replicas = 0, 1  # the sharing is done here

    def __iter__(self) -> Iterator[Item]:
        count = 0
        for count, (image, label) in enumerate(self.images, 1):
            if (count - 1) % self.world == self.rank:
                yield Item(image, label, 0)
        if 0 < count % self.world <= self.rank:
            yield Item(torch.zeros(self.input_size, dtype=torch.uint8), NOT_COUNTED, PADDING.seed)


class StreamLoader(DataLoader):
    """Loads a ``TrainingStream``; its workers start anew every epoch, seeded by (seed, epoch)."""

    dataset: TrainingStream
    sampler: Any

    def __init__(self, dataset: TrainingStream, **options: Any):
        super().__init__(dataset, generator=torch.Generator(), **options)
        self.sampler.set_epoch = dataset.set_epoch  # where Lightning looks for it

    def __iter__(self) -> Any:
        self.generator.manual_seed(hash((self.dataset.seed, self.dataset.epoch)) % 2**32)
        yield from super().__iter__()
