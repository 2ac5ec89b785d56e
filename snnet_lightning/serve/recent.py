"""What was usual of late."""

import time
from collections import deque
from collections.abc import Iterable


def quantile(values: Iterable[float], share: float) -> float:
    """The value, of at least one, that this share of them is at most."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class RecentQuantile:
    """A quantile of the last values.

    Args:
        share: of the values that are at most the quantile.
        values: that are remembered, at most.
        seconds: after which a value is forgotten.
        start: the quantile of no values.
    """

    def __init__(self, share: float, values: int, seconds: float, start: float):
        self.share, self.seconds, self.start = share, seconds, start
        self.last: deque[tuple[float, float]] = deque(maxlen=values)

    def add(self, value: float) -> None:
        self.last.append((time.monotonic(), value))

    @property
    def value(self) -> float:
        while self.last and self.last[0][0] < time.monotonic() - self.seconds:
            self.last.popleft()
        return quantile((value for _, value in self.last), self.share) if self.last else self.start
