"""What all samplers share."""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from snnet_lightning.stitch.route import Stitch


class Sampler(ABC):
    """Chooses the stitches that a training batch trains.

    A draw is a pure function of (seed, step, rank) and of ``state_dict``, which is empty for all but those that learn.
    """

    @abstractmethod
    def draw(self, flops: Mapping[Stitch, int], step: int, rank: int = 0) -> tuple[Stitch, ...]:
        """The stitches of training batch ``step`` on process ``rank``; the step takes the mean of their gradients.

        Args:
            flops: the stitches to choose from, in id order, and what each costs.
        """

    def start(self, flops: Mapping[Stitch, int]) -> None:  # noqa: B027 - most do nothing here
        """Tell the user, before the first step, what the draws will be like."""

    def observe(self, drawn: Sequence[Stitch], parameters: Iterable[nn.Parameter]) -> None:  # noqa: B027
        """Learn from an optimiser step's gradients, before they are clipped.

        Args:
            drawn: the stitches of the step's last batch.
            parameters: those that ``drawn`` run; frozen ones have no gradient.
        """

    def state_dict(self) -> dict[str, Any]:
        """What has been learnt, as plain values for a checkpoint."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Go on from an earlier ``state_dict``."""


def generator_of(seed: int, step: int, rank: int, per_rank: bool) -> random.Random:
    """Random numbers of one step, the same on all processes unless ``per_rank``."""
    return random.Random(f"{seed}-{step}-{rank if per_rank else 'all'}")
