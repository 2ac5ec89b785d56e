"""Choosing by a budget, against brute force over random tables, and what has to hold of any choice."""

import random
from dataclasses import replace

import pytest

from snnet_lightning.budget import select
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import Row

MEASURES = ("flops", "params", "memory", "latency_ms")


def table(seed: int) -> list[Row]:
    """Few different values, so that there are ties."""
    draw = random.Random(seed)
    return [
        Row(i, f"stitch {i}", draw.randint(1, 9), draw.randint(1, 9), draw.randint(0, 5) * 10.0, 90.0, 1.0, 100,
            memory=draw.randint(1, 9), latency_ms=draw.randint(1, 9) / 2)
        for i in range(draw.randint(1, 30))
    ]  # fmt: skip


def brute_force(rows, budgets):
    """Every row against every other: none that fits is more accurate, nor as accurate at fewer FLOPs or a lower id."""
    fitting = [row for row in rows if all(getattr(row, key) <= most for key, most in budgets.items())]
    return [
        row
        for row in fitting
        if not any(o.acc1 > row.acc1 or (o.acc1 == row.acc1 and (o.flops, o.id) < (row.flops, row.id)) for o in fitting)
    ]


@pytest.mark.parametrize("measures", [*((m,) for m in MEASURES), ("flops", "latency_ms"), MEASURES])
def test_against_brute_force(measures):
    refused = 0
    for seed in range(100):
        rows, draw = table(seed), random.Random(-seed)
        budgets = {measure: draw.uniform(0.1, 10) for measure in measures}
        expected = brute_force(rows, budgets)
        if expected:
            assert [select(rows, **budgets)] == expected
        else:
            refused += 1
            with pytest.raises(InputError, match="no stitch fits"):
                select(rows, **budgets)
    assert 0 < refused < 100


@pytest.mark.parametrize("measure", MEASURES)
def test_never_above_the_budget_and_never_worse_with_more_of_it(measure):
    for seed in range(50):
        rows, best = table(seed), -1.0
        for budget in sorted(random.Random(seed).uniform(0.1, 10) for _ in range(30)):
            try:
                row = select(rows, **{measure: budget})
            except InputError:
                assert best == -1.0
                continue
            assert getattr(row, measure) <= budget
            assert row.acc1 >= best
            best = row.acc1


def test_none_fits_names_the_cheapest_and_what_it_needs():
    rows = [Row(0, "small", 2_000, 5, 70.0, latency_ms=2.5), Row(1, "large", 9_000, 4, 80.0, latency_ms=9.0)]
    with pytest.raises(InputError, match=r"^flops=1000: no stitch fits; the cheapest, small, needs 2,000 FLOPs$"):
        select(rows, flops=1000)
    with pytest.raises(InputError, match=r"latency_ms=1: no stitch fits; the cheapest, small, needs 2\.5 ms$"):
        select(rows, latency_ms=1)
    with pytest.raises(
        InputError, match=r"^flops=5000, params=4: no stitch fits; the cheapest, small, needs 2,000 FLO"
    ):
        select(rows, flops=5000, params=4)  # each can be met, not both


def test_what_is_not_known_is_said():
    row = Row(0, "small", 2_000, 5, 70.0)
    for rows, budgets, why in [
        ([replace(row, acc1=None)], {"flops": 1e9}, "accuracies are unknown"),
        ([], {"flops": 1e9}, "accuracies are unknown"),
        ([row], {"latency_ms": 5}, "no latency is known; python -m snnet_lightning.latency"),
        ([row], {"memory": 5}, "is not in this table"),
        ([row], {}, "no budget is given"),
        ([row], {"flops": -1}, "flops=-1: must be above 0"),
        ([row], {"flops": float("nan")}, "must be above 0"),
    ]:
        with pytest.raises(InputError, match=why):
            select(rows, **budgets)


def test_a_network_selects_by_its_own_table(digits_net):
    from snnet_lightning.evaluation.cost import stitch_costs
    from snnet_lightning.evaluation.results import stitch_rows
    from tests.serve.conftest import invented_latency

    rows = stitch_rows(stitch_costs(digits_net))
    digits_net.rows = [replace(row, acc1=50 + row.id, latency_ms=row.flops / 4e5) for row in rows]
    digits_net.latency = invented_latency(digits_net, {1: 1.0, 8: 4.0})
    budget = sorted(row.latency_ms for row in digits_net.rows)[10]
    fast = max((row for row in digits_net.rows if row.latency_ms <= budget), key=lambda row: row.id)
    assert digits_net.select(latency_ms=budget).id == fast.id
    assert digits_net.selected.id == fast.id
    assert digits_net.select(latency_ms=4 * budget, batch=8).id == fast.id
    assert digits_net.select(flops=1e12).id == len(rows) - 1
    with pytest.raises(InputError, match=r"batch=3: latency was measured at batch sizes of 1, 8"):
        digits_net.select(latency_ms=5, batch=3)
    with pytest.raises(InputError, match="not both"):
        digits_net.select(3, flops=1e9)
    assert digits_net.selected.id == len(rows) - 1
