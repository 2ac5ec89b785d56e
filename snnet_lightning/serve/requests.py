"""What goes from the process that speaks HTTP to a worker, and what comes back."""

from typing import NamedTuple

import numpy as np


class Request(NamedTuple):
    """An image that waits.

    Args:
        deadline: when it has to be answered, on the clock ``time.monotonic``, which all processes share.
        pixels: bytes (H, W, C).
        stitch: the id of the one that was asked for; None: the policy chooses.
    """

    deadline: float
    pixels: np.ndarray
    stitch: int | None


class RequestError(Exception):
    """A request that is not served: HTTP status, and why in one line."""

    def __init__(self, status: int, why: str):
        super().__init__(status, why)
        self.status, self.why = status, why


class Answer(NamedTuple):
    """What a worker found.

    Args:
        probabilities: one a class.
        stitch: the id of the one that ran.
        ms: that the batch took.
        batch: images in it.
        waiting: requests that waited beside it.
        why: this stitch.
        started: when it began to run, on ``time.monotonic``.
    """

    probabilities: np.ndarray
    stitch: int
    ms: float
    batch: int
    waiting: int
    why: str
    started: float
