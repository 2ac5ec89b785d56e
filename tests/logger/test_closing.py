"""The exit status under which a job's W&B run is finished."""

import sys
from types import SimpleNamespace

import pytest

from snnet_lightning.logger.closing import closing_runs


@pytest.fixture
def statuses(monkeypatch):
    """What W&B is finished with, in order, while a run is going on."""
    found: list[int] = []
    wandb = SimpleNamespace(run=object(), finish=lambda exit_code: found.append(exit_code))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return found


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError(), 1),
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
        (SystemExit("why"), 1),
        (SystemExit(), 0),
    ],
    ids=repr,
)
def test_how_the_job_ended_is_the_status_of_its_run(statuses, error, status):
    with pytest.raises(type(error)), closing_runs():
        raise error
    assert statuses == [status]


def test_every_job_that_ends_well_closes_its_run(statuses):
    job = closing_runs()(lambda: 7)
    assert [job(), job()] == [7, 7]
    assert statuses == [0, 0]


@pytest.mark.parametrize("wandb", [None, SimpleNamespace(run=None)])
def test_without_a_run_there_is_nothing_to_close(monkeypatch, wandb):
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    with closing_runs():
        pass
