"""In which order images are seen: a pure function of (seed, epoch, process), so that a resumed run sees the same."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from timm.data.distributed_sampler import RepeatAugSampler
from torch.utils.data import BatchSampler, DistributedSampler, Sampler


class Draw(NamedTuple):
    """An image by its index, and the seed of its augmentation."""

    index: int  # type: ignore[assignment]  # which hides that of tuples
    seed: int = 0


PADDING = Draw(-1)  # stands for no image, where another process has one more


class TrainingOrder(Sampler):
    """The share of one process in a shuffled epoch; what does not divide evenly is left out.

    Args:
        size: images in the training set.
        seed: seed of the run.
        rank, world: this process, and how many there are.
        repeats: how often every image comes in a row, differently augmented (repeated augmentation, arXiv:1901.09335);
            the epoch does not get longer.
        every_epoch_the_first: whether all epochs are the same, images and augmentation.
    """

    def __init__(
        self, size: int, seed: int, rank: int = 0, world: int = 1, repeats: int = 1, every_epoch_the_first: bool = False
    ):
        self.seed, self.rank, self.repeats = seed, rank, repeats
        self.every_epoch_the_first = every_epoch_the_first
        self.epoch = 0
        self.order: RepeatAugSampler | DistributedSampler
        if repeats > 1:
            self.order = RepeatAugSampler(range(size), world, rank, num_repeats=repeats, selected_round=0)
        else:
            self.order = DistributedSampler(range(size), world, rank, seed=seed, drop_last=True)  # type: ignore[arg-type]  # a length is enough

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Draw]:
        epoch = 0 if self.every_epoch_the_first else self.epoch
        # timm's sampler seeds its order with the epoch alone.
        self.order.set_epoch(epoch if self.repeats == 1 else hash((self.seed, epoch)) % 2**32)
        for position, index in enumerate(self.order):
            yield Draw(index, hash((self.seed, epoch, self.rank, position)) % 2**32)


def evaluation_order(size: int, rank: int, world: int) -> list[Draw]:
    """The share of one process: every image once over all processes, padded so that all shares are as long.

    Args:
        size: images in the set.
        rank, world: this process, and how many there are.
    """
    share = [Draw(index) for index in range(rank, size, world)]
    return share + [PADDING] * (-(-size // world) - len(share))


class Batches(BatchSampler):
    """Batches of an order, or some of them only: those from ``first`` to before ``stop``."""

    sampler: Any  # the order
    first: int = 0
    stop: int | None = None

    def __iter__(self) -> Iterator[list[Any]]:
        return islice(super().__iter__(), self.first, self.stop)
