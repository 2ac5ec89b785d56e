"""DataLoaders that can be entered in the middle, where a killed run stopped."""

import signal
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from snnet_lightning.data.order import Batches


class PartialLoader(DataLoader):
    """Gives all of its batches, or some of them only when told so.

    Its batch sampler is one of ``Batches``, so that what is left out is not loaded; a stream is read past it.

    Attributes:
        identity: what decides which images stand in which batch, and how they look.
    """

    batch_sampler: Batches
    identity: tuple[Any, ...] = ()
    part: tuple[int, int | None] = (0, None)

    def give_only(self, first: int, stop: int | None = None) -> None:
        """In the next pass, give only the batches from ``first`` to before ``stop``; later ones are whole again."""
        self.part = first, stop

    def __iter__(self) -> Any:
        part, self.part = self.part, (0, None)
        if isinstance(self.dataset, IterableDataset):
            return islice(super().__iter__(), *part)
        self.batch_sampler.first, self.batch_sampler.stop = part
        return super().__iter__()


def leave_signals_to_the_training(worker_id: int) -> None:
    """In a worker: hear nothing of what ends or requeues a job, which reaches all of its processes, as under SLURM.

    A worker that ends would end the training before that has saved, and with the handlers that a fork has taken along
    every worker would save. A second SIGTERM ends it: so PyTorch ends a worker that hangs.
    """
    for signum in signal.valid_signals():
        if callable(signal.getsignal(signum)):
            signal.signal(signum, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))


class ResumableLoader(PartialLoader):
    """Goes on in the middle of an epoch; the order that it batches is a ``TrainingOrder``.

    Lightning saves ``state_dict`` in its checkpoints.
    """

    given = 0
    resumed: dict[str, int] | None = None

    @property
    def epoch(self) -> int:
        return self.batch_sampler.sampler.epoch

    def __iter__(self) -> Any:
        # A generator starts at the first batch: Lightning asks a resumed run's loader for its iterator before it
        # tells the sampler which epoch it is.
        first = 0
        if self.resumed is not None and self.resumed["epoch"] == self.epoch:
            first = self.resumed["batches"]
        self.resumed = None
        self.give_only(first)
        self.given = first
        for batch in super().__iter__():
            self.given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "batches": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.resumed = state
