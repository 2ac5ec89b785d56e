"""What a replay comes to, by hand, and its picture."""

import pytest

from snnet_lightning.serve.replay.client import Outcome
from snnet_lightning.serve.replay.figures import figures_of
from snnet_lightning.serve.replay.plot import plot_replay

ACCURACIES = {0: 70.0, 1: 90.0}
OUTCOMES = [
    Outcome(0.0, 10.0, 200, 1, True),
    Outcome(0.5, 50.0, 200, 1, False),
    Outcome(1.0, 50.1, 200, 0, None),  # late by a tenth of a millisecond
    Outcome(1.5, 30.0, 503, None, None),  # refused in time, which is no answer
    Outcome(2.0, 99.0, 0, None, None),
]


def test_by_hand():
    found = figures_of("slack", OUTCOMES, 50.0, ACCURACIES)
    assert (found.requests, found.lost) == (5, 2)
    assert found.attainment == pytest.approx(40.0)
    assert found.accuracy == pytest.approx((90 + 90 + 70) / 3)
    assert found.top1 == pytest.approx(50.0)
    assert found.p50_ms == pytest.approx(50.0)
    assert found.throughput == pytest.approx(3 / 1.0501)
    assert found.stitches == {1: 2, 0: 1}


def test_where_nothing_was_answered():
    found = figures_of("base", OUTCOMES[3:], 50.0, ACCURACIES)
    assert (found.lost, found.attainment, found.accuracy, found.p99_ms, found.throughput) == (2, 0.0, None, None, 0.0)


@pytest.mark.parametrize("fixed", [OUTCOMES, OUTCOMES[3:]])
def test_the_picture(tmp_path, fixed):
    figures = [figures_of(name, each, 50.0, ACCURACIES) for name, each in (("slack", OUTCOMES), ("base", fixed))]
    plot_replay(figures, OUTCOMES, 50.0, ACCURACIES, tmp_path / "replay.png")
    assert (tmp_path / "replay.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 1
