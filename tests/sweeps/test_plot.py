"""sweep.png."""

import matplotlib.image
import pytest

from snnet_lightning.sweeps.fronts import fronts_of
from snnet_lightning.sweeps.plot import COLOURS, MARKERS, STYLES, TOLD_APART, _told_apart, plot_sweep
from snnet_lightning.sweeps.record import jobs_of


@pytest.mark.parametrize("jobs", [1, 3, 40])
def test_a_picture_of_any_number_of_settings(make_job, tmp_path, jobs):
    for number in range(jobs):
        make_job(number, f"seed={number % 2} optim.lr={number // 2} {'x' * 60}=1", [(1e6, number), (5e9, 50 + number)])
    plot_sweep(jobs_of(tmp_path), tmp_path / "sweep.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "sweep.png").shape
    assert height < width <= 1800


def test_no_picture_of_nothing(make_job, tmp_path):
    make_job(0, "seed=1", [(1, 2)], error="killed")
    plot_sweep(jobs_of(tmp_path), tmp_path / "sweep.png")
    assert not (tmp_path / "sweep.png").exists()


def test_lines_are_told_apart(make_job, tmp_path):
    looks = {(COLOURS[i % 7], STYLES[i % 4], MARKERS[i % 8]) for i in range(TOLD_APART)}
    assert len(COLOURS) == 7
    assert len({look[:2] for look in looks}) == len({look[::2] for look in looks}) == TOLD_APART


def test_the_best_settings_get_lines_of_their_own(make_job, tmp_path):
    for number in range(TOLD_APART + 2):
        make_job(number, f"a={number}", [(1, 50 + number)])
    named, others = _told_apart(fronts_of(jobs_of(tmp_path)))
    assert [front.label for front in others] == ["a=0", "a=1"]
    assert [front.label for front in named][:2] == ["a=2", "a=3"]
