"""The line of waiting requests."""

import random

import numpy as np
import pytest

from snnet_lightning.serve.line import LOOKS, Line
from snnet_lightning.serve.requests import Request


def filled(deadlines, stitches=None):
    line = Line()
    for i, deadline in enumerate(deadlines):
        line.add(0, str(i), Request(deadline, np.zeros(1), stitches[i] if stitches else None))
    return line


def test_of_equal_deadlines_the_first_to_come_is_first():
    line = filled([5.0, 3.0, 5.0, 3.0])
    assert [one.uid for one in line.take(3, feasible=0.0)] == ["1", "3", "0"]
    assert len(line) == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_most_urgent_against_brute_force(seed):
    """Which request leaves the least time for each batch up to its own; up to ``LOOKS`` are all looked at."""
    draw = random.Random(seed)
    line, most = filled([draw.uniform(0, 1) for _ in range(draw.randint(1, LOOKS))]), draw.randint(1, 5)
    batch = line.take(most, feasible=0.0)
    slack, place = line.most_urgent(batch, now=0.0, most=most)
    leaves = {0: (batch[0].deadline, 1)}
    for i, one in enumerate(line.in_time):
        leaves[i + 1] = (one.deadline, 2 + i // most)
    least = min(deadline / batches for deadline, batches in leaves.values())
    deadline, batches = leaves[place]
    assert slack == deadline
    assert deadline / batches == pytest.approx(least)


def test_of_a_long_line_the_last_is_looked_at():
    line = filled([1.0] + [2.0] * 5000)
    batch = line.take(1, feasible=0.0)
    assert line.most_urgent(batch, now=0.0, most=1) == (2.0, 5000)


def test_late_ones_come_last_in_the_order_of_their_deadlines():
    line = filled([1.0, 9.0, 2.0, 8.0])
    assert [one.uid for one in line.take(4, feasible=5.0)] == ["3", "1"]
    assert [one.uid for one in line.take(4, feasible=5.0)] == ["0", "2"]
    assert line.take(4, feasible=5.0) == []
