"""The additive model, by hand."""

import pytest

from snnet_lightning.latency.additive import covering, fitted_model, spread, sums
from snnet_lightning.stitch import PairedRule

SPACE = PairedRule()(["a", "b", "c"], [(6,), (6,), (6,)])


def test_a_few_stitches_run_all_parts():
    chosen = covering(list(SPACE))
    assert {part for stitch in chosen for part in stitch.route} == {part for stitch in SPACE for part in stitch.route}
    assert len(chosen) < len(SPACE) / 2


def test_no_stitch_is_fitted_on_and_held_out():
    fitted, held_out = spread(list(SPACE), 5, 10)
    assert (len(fitted), len(held_out)) == (5, 10)
    assert len({*fitted, *held_out}) == 15
    assert SPACE.stitches[0] in fitted
    assert SPACE.stitches[-1] in fitted


def test_what_is_a_sum_and_a_constant_is_found_exactly():
    parts = {part: 1.0 + i for i, part in enumerate(dict.fromkeys(p for s in SPACE for p in s.route))}
    added = sums(parts, list(SPACE))
    ends = {key: value + 7.0 for key, value in added.items()}
    model = fitted_model(added, ends, *spread(list(SPACE), 5, 10))
    assert model.constant_ms == pytest.approx(7.0)
    assert model.worst_error == pytest.approx(0.0, abs=1e-9)
    assert model.rank_correlation == pytest.approx(1.0)


def test_the_error_is_that_of_the_held_out_alone():
    """Constant 0, by the fitted; the held-out are told 10 and 30 where 20 and 25 were measured: off by 50 and 20 %."""
    fitted, held_out = list(SPACE)[:3], list(SPACE)[3:5]
    added = {0: 1.0, 1: 2.0, 2: 3.0, 3: 10.0, 4: 30.0}
    ends = {0: 1.0, 1: 2.0, 2: 3.0, 3: 20.0, 4: 25.0}
    model = fitted_model(added, ends, fitted, held_out)
    assert model.constant_ms == 0.0
    assert (model.mean_error, model.worst_error) == (pytest.approx(35.0), pytest.approx(50.0))
    assert (model.fitted_on, model.held_out) == ((0, 1, 2), (3, 4))
    assert fitted_model(added, ends | {3: 40.0}, fitted, held_out).rank_correlation == pytest.approx(-1.0, abs=1e-4)
    assert fitted_model(added, ends | {3: 25.0}, fitted, held_out).rank_correlation is None
