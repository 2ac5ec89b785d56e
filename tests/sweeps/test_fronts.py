"""Fronts over seeds, against numbers worked out by hand."""

import pytest

from snnet_lightning.sweeps.fronts import fronts_of
from snnet_lightning.sweeps.record import jobs_of


def test_mean_and_spread_over_seeds(make_job, tmp_path):
    # Dominated stitches (80 at 2, 50 at 30) are in no front. With seed 2 nothing costs less than 2.
    make_job(0, "seed=1 a=x", [(1, 90), (2, 80), (10, 96)])
    make_job(1, "seed=2 a=x", [(2, 80), (5, 92), (20, 98), (30, 50)])
    make_job(2, "seed=1 a=y", [(1, 70)])
    both, alone = fronts_of(jobs_of(tmp_path))
    assert (both.label, both.jobs) == ("a=x", 2)
    assert both.flops.tolist() == [2, 5, 10, 20]
    assert both.low.tolist() == [80, 90, 92, 96]
    assert both.high.tolist() == [90, 92, 96, 98]
    assert both.mean.tolist() == [85, 91, 94, 97]
    assert (alone.label, alone.jobs, alone.mean.tolist()) == ("a=y", 1, [70])


def test_what_failed_or_was_not_measured_is_left_out(make_job, tmp_path):
    make_job(0, "a=x", [(1, 90)], error="killed")
    make_job(1, "a=y")
    (make_job(2, "a=z") / "stitches.jsonl").write_text('{"id": 0, "flops": 1}\n')
    (make_job(3, "a=w") / "stitches.jsonl").unlink()
    assert fronts_of(jobs_of(tmp_path)) == []
    make_job(4, "a=v", [(1, 50)])
    (front,) = fronts_of(jobs_of(tmp_path))
    assert front.mean.tolist() == [50]


def test_seeds_that_share_no_budget_but_the_last(make_job, tmp_path):
    make_job(0, "seed=1", [(1, 10)])
    make_job(1, "seed=2", [(8, 30)])
    (front,) = fronts_of(jobs_of(tmp_path))
    assert (front.flops.tolist(), front.mean.tolist()) == ([8], [pytest.approx(20)])
