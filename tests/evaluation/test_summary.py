"""The summary metrics against numbers worked out by hand."""

import json
import math

import numpy as np
import pytest

from snnet_lightning.evaluation.results import Row
from snnet_lightning.evaluation.summary import area_under_front, summarise, write_summary

# FLOPs are powers of ten, so that log FLOPs are 2, 3 and 4 decades.
ROWS = [
    Row(0, "small", 100, 1, acc1=50.0),
    Row(1, "middle", 1000, 2, acc1=60.0),
    Row(2, "large", 10000, 3, acc1=80.0),
    Row(3, "small > middle", 550, 1, acc1=57.0),  # half way between small and middle: the line is at 55
    Row(4, "middle > large", 5500, 2, acc1=67.0),  # half way between middle and large: the line is at 70
    Row(5, "large > large", 20000, 3, acc1=79.0),  # dearer than the largest anchor, and worse
]


def test_by_hand():
    summary = summarise(ROWS, [0, 1, 2])
    decades = {50: math.log10(5.5), 57: 1 - math.log10(5.5), 60: math.log10(5.5), 67: 1 - math.log10(5.5)}
    assert summary == pytest.approx(
        {
            "test/acc1": 393 / 6,
            "test/acc1/small": 50,
            "test/acc1/middle": 60,
            "test/acc1/large": 80,
            "test/pareto_area": sum(acc1 * share for acc1, share in decades.items()) / 2,
            "test/pareto_share": 100 * 5 / 6,
            "test/gap": ((57 - 55) + (67 - 70) + (79 - 80)) / 3,
        }
    )


def test_area_against_a_fine_sum():
    rng = np.random.default_rng(0)
    points = sorted(zip(rng.uniform(1, 60, 25), rng.uniform(0, 100, 25), strict=True))
    cheapest, dearest = points[3][0], points[-4][0]
    fine = np.exp(np.linspace(math.log(cheapest), math.log(dearest), 200_001))
    best = [max(accuracy for flops, accuracy in points if flops <= budget) for budget in fine[:-1:50] + 1e-12]
    best_so_far = np.maximum.accumulate([accuracy for _, accuracy in points])
    front = list(zip([flops for flops, _ in points], best_so_far, strict=True))
    assert area_under_front(front, cheapest, dearest) == pytest.approx(np.mean(best), abs=0.1)


def test_anchors_of_equal_cost_have_no_area_between_them():
    rows = [Row(0, "a", 100, 1, acc1=50.0), Row(1, "b", 100, 1, acc1=70.0), Row(2, "a > b", 90, 1, acc1=60.0)]
    assert summarise(rows, [0, 1])["test/pareto_area"] == 70


@pytest.mark.parametrize("anchors", [[], [2]])
def test_what_compares_with_the_anchors_needs_two_of_them(anchors):
    summary = summarise(ROWS[2:], anchors)
    assert summary.keys() == {"test/acc1", "test/pareto_share", *(f"test/acc1/{ROWS[i].name}" for i in anchors)}
    assert summary["test/acc1"] == (80 + 57 + 67 + 79) / 4


def test_anchors_alone_have_no_gap():
    summary = summarise(ROWS[:3], [0, 1, 2])
    assert "test/gap" not in summary
    assert summary["test/pareto_area"] == pytest.approx(55)


def test_written_as_json(tmp_path):
    summary = summarise(ROWS, [0, 1, 2])
    write_summary(summary, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
