"""When requests come."""

import numpy as np
import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.serve.replay.traffic import Burst, Poisson, Trace


def test_poisson_comes_at_its_rate_with_the_gaps_of_an_exponential():
    arrivals = Poisson(rate=50, seconds=400, seed=3).arrivals()
    assert len(arrivals) == pytest.approx(20_000, abs=4 * 20_000**0.5)
    gaps = np.diff(arrivals)
    assert (gaps >= 0).all()
    assert gaps.mean() == pytest.approx(0.02, rel=0.03)
    assert gaps.std() == pytest.approx(0.02, rel=0.03)
    assert (gaps > 0.02).mean() == pytest.approx(np.exp(-1), abs=0.02)
    assert arrivals[0] >= 0
    assert arrivals[-1] <= 400


def test_the_same_seed_is_the_same_traffic():
    assert np.array_equal(Poisson(20, 10, seed=1).arrivals(), Poisson(20, 10, seed=1).arrivals())
    assert not np.array_equal(Poisson(20, 10, seed=1).arrivals()[:50], Poisson(20, 10, seed=2).arrivals()[:50])


def test_a_burst_is_ten_times_as_dense_and_nothing_else_changes():
    arrivals = Burst(rate=100, seconds=40, factor=10, start=10, length=5).arrivals()
    counts, _ = np.histogram(arrivals, bins=np.arange(0, 41))
    assert counts[10:15].mean() == pytest.approx(1000, rel=0.1)
    assert np.delete(counts, range(10, 15)).mean() == pytest.approx(100, rel=0.1)
    assert (np.diff(arrivals) >= 0).all()
    with pytest.raises(InputError, match="the burst lasts until 45"):
        Burst(rate=1, seconds=40, factor=10, start=40, length=5)


@pytest.mark.parametrize("head", ["", "second,user\n"])
def test_a_trace_begins_at_zero_in_order(tmp_path, head):
    path = tmp_path / "trace.csv"
    path.write_text(head + "103.5,a\n101.0,b\n\n101.5,c\n")
    assert Trace(str(path)).arrivals().tolist() == [0.0, 0.5, 2.5]
    assert Trace(str(path), speed=2).arrivals().tolist() == [0.0, 0.25, 1.25]


@pytest.mark.parametrize("text", ["", "second\n", "1.0\nsoon\n", "1.0\ninf\n", "\0\1\2"])
def test_no_trace(tmp_path, text):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="the first column must be seconds"):
        Trace(str(path))
    with pytest.raises(InputError, match="there is no such file"):
        Trace(str(tmp_path / "none.csv"))
    path.write_text("1" * 200_000)
    with pytest.raises(InputError, match="is no CSV: field larger than"):
        Trace(str(path))


def test_too_much():
    with pytest.raises(InputError, match="too many"):
        Poisson(rate=1e6, seconds=100)
