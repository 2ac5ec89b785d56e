"""A DataLoader that a resumed run enters where the killed one stopped."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader


class ResumableLoader(DataLoader):
    """Goes on in the middle of an epoch; its sampler is a ``TrainingOrder``.

    Lightning saves ``state_dict`` in its checkpoints.
    """

    given = 0
    resumed: dict[str, int] | None = None

    def __iter__(self) -> Iterator[Any]:
        # A generator starts at the first batch: Lightning asks a resumed run's loader for its iterator before it
        # tells the sampler which epoch it is.
        first = 0
        if self.resumed is not None and self.resumed["epoch"] == self.sampler.epoch:
            first = self.resumed["batches"]
        self.resumed = None
        self.sampler.skip = first * self.batch_size
        self.given = first
        for batch in super().__iter__():
            self.given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.sampler.epoch, "batches": self.given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.resumed = state
