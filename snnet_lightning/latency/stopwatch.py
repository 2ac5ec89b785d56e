"""Times on the device that they pass on."""

import time
from itertools import pairwise

import torch


class Stopwatch:
    """Moments while a network runs; the milliseconds between them are read when it is done.

    On a GPU the moments are events in its stream, so that nothing waits for them.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.moments: list = []

    def mark(self) -> None:
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.moments.append(event)
        else:
            self.moments.append(time.perf_counter())

    def milliseconds(self) -> list[float]:
        """Between one mark and the next."""
        if self.device.type == "cuda":
            self.moments[-1].synchronize()
            return [start.elapsed_time(end) for start, end in pairwise(self.moments)]
        return [1e3 * (end - start) for start, end in pairwise(self.moments)]
