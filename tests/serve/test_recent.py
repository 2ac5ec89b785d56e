"""What was usual of late, by a clock that the test moves."""

import numpy as np
import pytest

from snnet_lightning.serve.recent import RecentQuantile, quantile


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("snnet_lightning.serve.recent.time", clock)
    return clock


def test_a_quantile_is_that_of_numpy():
    draw = np.random.default_rng(0)
    for size in range(1, 50):
        values, share = draw.normal(size=size), draw.random()
        assert quantile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_what_is_old_is_forgotten_though_nothing_comes_after_it(clock):
    recent = RecentQuantile(0.75, values=64, seconds=5.0, start=1.0)
    assert recent.value == 1.0
    recent.add(900.0)  # a stall
    assert recent.value == 900.0
    clock.now += 4.9
    recent.add(2.0)
    assert recent.value == 900.0
    clock.now += 0.2
    assert recent.value == 2.0
    clock.now += 60
    assert recent.value == 1.0


def test_no_more_values_are_kept_than_told(clock):
    recent = RecentQuantile(0.0, values=3, seconds=5.0, start=0.0)
    for value in range(1, 6):
        recent.add(value)
    assert recent.value == 3
