"""What all DataModules share: loaders whose order depends on (seed, epoch, process) only."""

import os
from typing import Any, TypeVar

import lightning as L
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from snnet_lightning.data.loaders import PartialLoader, ResumableLoader, leave_signals_to_the_training
from snnet_lightning.data.order import Batches, Draw, TrainingOrder, evaluation_order
from snnet_lightning.errors import InputError

MOST_WORKERS = 8
Loader = TypeVar("Loader", bound=DataLoader)


def default_workers(processes: int) -> int:
    """Worker processes of a loader: the cores this process may use, shared among the training processes here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, cores // max(1, processes)))


class ReproducibleDataModule(L.LightningDataModule):
    """Serves ``train_set`` and ``test_set``, which ``setup`` of a subclass makes; validation and test are the same.

    Items are asked for by ``Draw``.

    Args:
        batch_size: images a training step (of one process); evaluation takes the same.
        num_workers: worker processes of each loader; None: by the number of cores.
        seed: seed of the order and of the augmentation.
        repeats: how often every training image comes in a row (repeated augmentation).

    Raises:
        InputError: a batch larger than the share of a process.
    """

    train_set: Any  # a Dataset that has a length
    test_set: Any  # the same, or a stream
    input_size: tuple[int, int, int]

    def __init__(self, batch_size: int, num_workers: int | None, seed: int, repeats: int = 1):
        super().__init__()
        self.batch_size, self.num_workers, self.seed, self.repeats = batch_size, num_workers, seed, repeats
        self.train_loader: ResumableLoader | None = None
        self.resumed: dict[str, int] | None = None  # where the training data of a resumed run go on

    @property
    def share(self) -> tuple[int, int]:
        """This process and how many there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What decides which images stand in which test batch, and how they look."""
        return type(self).__name__, self.input_size, self.batch_size, self.num_workers

    @property
    def every_epoch_the_first(self) -> bool:
        """Whether the run is to overfit some batches, always the same."""
        return bool(self.trainer and self.trainer.overfit_batches)  # type: ignore[attr-defined]  # a connector sets it

    def check_batch_size(self) -> None:
        _, world = self.share
        most = len(self.train_set) // world
        if not 1 <= self.batch_size <= most:
            each = f", {len(self.train_set)} over {world} processes" if world > 1 else ""
            raise InputError(f"data.batch_size={self.batch_size}: must be 1 to {most}, the training images{each}")

    def train_dataloader(self) -> DataLoader:
        order = TrainingOrder(len(self.train_set), self.seed, *self.share, self.repeats, self.every_epoch_the_first)
        # As a batch sampler: Lightning takes a sampler of ours for shuffling, and replaces it to overfit some batches.
        batches = Batches(order, self.batch_size, drop_last=True)
        self.train_loader = self._loader(self.train_set, ResumableLoader, batch_sampler=batches)
        if self.resumed:
            self.train_loader.load_state_dict(self.resumed)
            self.resumed = None  # another training of this DataModule begins at the beginning
        return self.train_loader

    # Lightning restores the state of a loader itself too, but not of one that the schedule's length was asked of.
    def state_dict(self) -> dict[str, int]:
        return self.train_loader.state_dict() if self.train_loader else {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from an earlier ``state_dict``.

        Raises:
            InputError: it is none.
        """
        counts = [state.get(key) for key in ("epoch", "batches")] if isinstance(state, dict) else [None]
        if state != {} and not all(type(count) is int and count >= 0 for count in counts):
            where = f"ckpt_path={self.trainer.ckpt_path}: " if self.trainer else ""
            raise InputError(f"{where}{type(self).__name__} is no place in the training data, but {state!r:.80}")
        self.resumed = state

    def val_dataloader(self) -> DataLoader:
        return self._evaluation_loader()

    def test_dataloader(self) -> DataLoader:
        return self._evaluation_loader()

    def initialisation_dataloader(self) -> DataLoader:
        """Training images without augmentation, in random order but for streams, to initialise stitching layers on."""
        if isinstance(self.train_set, IterableDataset):
            return self._loader(self.plain_train_set, DataLoader, batch_size=self.batch_size)
        order = torch.randperm(len(self.train_set), generator=torch.Generator().manual_seed(self.seed))
        draws = [Draw(index) for index in order.tolist()]
        return self._loader(self.plain_train_set, DataLoader, batch_size=self.batch_size, sampler=draws)

    @property
    def plain_train_set(self) -> Dataset:
        """The training images without augmentation."""
        return self.train_set

    def _evaluation_loader(self) -> DataLoader:
        if isinstance(self.test_set, IterableDataset):
            options: dict[str, Any] = {"batch_size": self.batch_size}
        else:
            order: Any = evaluation_order(len(self.test_set), *self.share)  # draws, where PyTorch says numbers
            options = {"batch_sampler": Batches(order, self.batch_size, drop_last=False)}
        loader = self._loader(self.test_set, PartialLoader, **options)
        loader.identity = self.identity
        return loader

    def _loader(self, dataset: Dataset, kind: type[Loader], **options: Any) -> Loader:
        workers = self.num_workers
        if workers is None:
            workers = default_workers(self.trainer.num_devices if self.trainer else 1)
        return kind(
            dataset,
            num_workers=workers,
            persistent_workers=workers > 0 and kind is ResumableLoader,  # evaluation comes once in many epochs
            pin_memory=torch.cuda.is_available(),
            collate_fn=self.collate,
            worker_init_fn=leave_signals_to_the_training,
            **options,
        )

    def teardown(self, stage: str) -> None:
        # Persistent workers that the garbage collector finds in a cycle keep it waiting for five seconds each.
        if self.train_loader:
            self.train_loader._iterator = None

    @staticmethod
    def collate(items: list[Any], /) -> Any:
        """A batch of what the data set gives."""
        raise NotImplementedError
