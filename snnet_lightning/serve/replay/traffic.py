"""When requests come, in seconds after the start, whether or not earlier ones were answered (open loop)."""

import csv
from pathlib import Path

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat

from snnet_lightning.checked import File, Seed
from snnet_lightning.errors import InputError

MOST = 1_000_000  # requests of one replay


class Poisson:
    """Requests that know nothing of one another.

    Args:
        rate: requests per second.
        seconds: that they come for.
    """

    def __init__(self, rate: PositiveFloat, seconds: PositiveFloat, seed: Seed = 0):
        self.rate, self.seconds, self.seed = rate, seconds, seed
        _require_few(rate * seconds)

    def arrivals(self) -> np.ndarray:
        return _poisson(np.random.default_rng(self.seed), self.rate, self.seconds)


class Burst:
    """As ``Poisson``, and ``factor`` times as many for a while.

    Args:
        rate: requests per second before and after the burst.
        seconds: that they come for.
        factor: of the rate in the burst.
        start: of the burst, seconds.
        length: of the burst, seconds.
    """

    def __init__(
        self,
        rate: PositiveFloat,
        seconds: PositiveFloat,
        factor: PositiveFloat,
        start: NonNegativeFloat,
        length: PositiveFloat,
        seed: Seed = 0,
    ):
        if start + length > seconds:
            raise InputError(f"traffic.seconds={seconds:g}: the burst lasts until {start + length:g}")
        _require_few(rate * seconds + (factor - 1) * rate * length)
        self.rate, self.seconds, self.factor = rate, seconds, factor
        self.start, self.length, self.seed = start, length, seed

    def arrivals(self) -> np.ndarray:
        generator = np.random.default_rng(self.seed)
        base = _poisson(generator, self.rate, self.seconds)
        outside = base[(base < self.start) | (base >= self.start + self.length)]
        burst = self.start + _poisson(generator, self.factor * self.rate, self.length)
        return np.sort(np.concatenate([outside, burst]))


class Trace:
    """What was recorded: a CSV file whose first column has seconds; a first line of words is its head.

    Args:
        file: the CSV.
        speed: how much faster than it was.

    Raises:
        InputError: it is no such file.
    """

    def __init__(self, file: File, speed: PositiveFloat = 1.0):
        path = Path(file)
        if not path.is_file():
            raise InputError(f"traffic.file={file}: there is no such file")
        try:
            with path.open(newline="", encoding="utf-8", errors="replace") as opened:
                words = [line[0] for line in csv.reader(opened) if line]
        except csv.Error as error:
            raise InputError(f"traffic.file={file}: is no CSV: {error}") from error
        seconds = [_number(word) for word in words]
        if seconds and np.isnan(seconds[0]):
            del seconds[0]
        if not seconds or not np.isfinite(seconds).all():
            raise InputError(f"traffic.file={file}: the first column must be seconds, a line a request")
        _require_few(len(seconds))
        self.times = np.sort(np.array(seconds) - min(seconds)) / speed

    def arrivals(self) -> np.ndarray:
        return self.times


def _poisson(generator: np.random.Generator, rate: float, seconds: float) -> np.ndarray:
    return np.sort(generator.uniform(0, seconds, generator.poisson(rate * seconds)))


def _require_few(requests: float) -> None:
    if requests > MOST:
        raise InputError(f"traffic: {requests:,.0f} requests are too many; at most {MOST:,}")


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")
