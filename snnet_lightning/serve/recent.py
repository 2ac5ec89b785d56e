"""What was usual of late."""

from collections import deque


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
        if not self.last:
            return self.start
        return sorted(self.last)[min(int(self.share * len(self.last)), len(self.last) - 1)]
