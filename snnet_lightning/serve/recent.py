"""What was usual of late."""

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
        values: that are remembered.
        start: the quantile before there are any.
    """

    def __init__(self, share: float, values: int, start: float):
        self.share, self.start = share, start
        self.last: deque[float] = deque(maxlen=values)

    def add(self, value: float) -> None:
        self.last.append(value)

    @property
    def value(self) -> float:
        return quantile(self.last, self.share) if self.last else self.start
