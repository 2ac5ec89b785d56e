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


def all_in_time(deadlines, most, seconds):
    """Whether all are answered in time when every batch takes so many seconds."""
    now, waiting = 0.0, sorted(deadlines)
    while waiting:
        now += seconds
        if now > waiting[0]:
            return False
        del waiting[:most]
    return True


@pytest.mark.parametrize("seed", range(20))
def test_the_most_urgent_says_how_long_a_batch_may_take(seed):
    """Against a server in simulated time, that has as long for every batch; up to ``LOOKS`` are all looked at."""
    draw = random.Random(seed)
    deadlines, most = [draw.uniform(0, 1) for _ in range(draw.randint(1, LOOKS))], draw.randint(1, 5)
    line = filled(deadlines)
    batch = line.take(most, feasible=0.0)
    slack, place = line.most_urgent(batch, now=0.0, most=most)
    a_batch = slack / (1 + -(-place // most))
    assert all_in_time(deadlines, most, 0.999 * a_batch)
    assert not all_in_time(deadlines, most, 1.001 * a_batch)


def test_of_a_long_line_the_last_is_looked_at():
    line = filled([1.0] + [2.0] * 5000)
    batch = line.take(1, feasible=0.0)
    assert line.most_urgent(batch, now=0.0, most=1) == (2.0, 5000)


def test_late_ones_come_last_in_the_order_of_their_deadlines():
    line = filled([1.0, 9.0, 2.0, 8.0])
    assert [one.uid for one in line.take(4, feasible=5.0)] == ["3", "1"]
    assert [one.uid for one in line.take(4, feasible=5.0)] == ["0", "2"]
    assert line.take(4, feasible=5.0) == []


def test_a_request_that_is_sent_again_does_not_wait_twice():
    line = filled([1.0, 2.0])
    line.add(0, "1", Request(2.0, np.zeros(1), None))
    assert len(line) == 2
    assert [one.uid for one in line.take(2, feasible=0.0)] == ["0", "1"]
    line.add(0, "1", Request(2.0, np.zeros(1), None))  # the worker that had it may have died
    assert [one.uid for one in line.take(2, feasible=0.0)] == ["1"]


def test_of_late_ones_those_that_are_late_the_longest_are_given_up():
    line = filled([9.0, 3.0, 1.0, 2.0])
    assert line.give_up(0) == []  # none is late before there is a moment to be late at
    line.take(1, feasible=5.0)
    assert [one.uid for one in line.give_up(2)] == ["2"]
    assert [one.uid for one in line.give_up(2)] == []
    assert [one.uid for one in line.take(9, feasible=5.0)] == ["3", "1"]
