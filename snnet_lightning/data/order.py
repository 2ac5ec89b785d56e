"""In which order images are seen: a pure function of (seed, epoch, process), so that a resumed run sees the same."""

from collections.abc import Iterator
from typing import NamedTuple

from timm.data.distributed_sampler import RepeatAugSampler
from torch.utils.data import DistributedSampler, Sampler


class Draw(NamedTuple):
    """An image by its index, and the seed of its augmentation."""

    index: int
    seed: int = 0


PADDING = Draw(-1)  # stands for no image, where another process has one more


class TrainingOrder(Sampler[Draw]):
    """The share of one process in a shuffled epoch; what does not divide evenly is left out.

    Args:
        size: images in the training set.
        seed: seed of the run.
        rank, world: this process, and how many there are.
        repeats: how often every image comes in a row, differently augmented (repeated augmentation, arXiv:1901.09335);
            the epoch does not get longer.
    """

    def __init__(self, size: int, seed: int, rank: int = 0, world: int = 1, repeats: int = 1):
        self.seed, self.rank, self.repeats = seed, rank, repeats
        self.epoch = 0
        self.skip = 0  # draws at the beginning that a resumed run has had already
        if repeats > 1:
            self.order = RepeatAugSampler(range(size), world, rank, num_repeats=repeats, selected_round=0)
        else:
            self.order = DistributedSampler(range(size), world, rank, seed=seed, drop_last=True)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        # timm's sampler seeds its order with the epoch alone.
        self.order.set_epoch(epoch if self.repeats == 1 else hash((self.seed, epoch)) % 2**32)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Draw]:
        for position, index in enumerate(self.order):
            if position >= self.skip:
                yield Draw(index, hash((self.seed, self.epoch, self.rank, position)) % 2**32)


class EvaluationBatches(Sampler[list[Draw]]):
    """Batches of one process in order: every image once over all processes, and equally many batches in each.

    Args:
        size: images in the set.
        batch_size: images a batch.
        rank, world: this process, and how many there are.
        done: batches at the beginning that were evaluated before; they come empty.
    """

    def __init__(self, size: int, batch_size: int, rank: int = 0, world: int = 1, done: int = 0):
        self.batch_size, self.done = batch_size, done
        share = [Draw(index) for index in range(rank, size, world)]
        self.draws = share + [PADDING] * (-(-size // world) - len(share))

    def __len__(self) -> int:
        return -(-len(self.draws) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        for batch in range(len(self)):
            start = batch * self.batch_size
            yield [] if batch < self.done else self.draws[start : start + self.batch_size]
