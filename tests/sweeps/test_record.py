"""What jobs tell their sweep."""

import pytest

from snnet_lightning.sweeps import record


def test_jobs_are_found_by_number(make_job, tmp_path):
    for number in (10, 2):
        make_job(number, f"seed={number}")
    first, last = record.jobs_of(tmp_path)
    assert (first.number, first.overrides, first.succeeded) == (2, ["seed=2"], True)
    assert last.directory == tmp_path / "10"


def test_what_the_first_process_returns(tmp_path, monkeypatch):
    record.begin(tmp_path, 0, [])
    assert not record.has_returned(tmp_path)
    record.note_value(tmp_path, 93.5)
    assert record.has_returned(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "1")
    record.note_value(tmp_path, 12.0)
    assert record.end(tmp_path, succeeded=True).value == 93.5


def test_the_first_error_stays_until_the_job_begins_again(tmp_path):
    record.begin(tmp_path, 0, [])
    record.note_error(tmp_path, "lr is\nno number")
    record.note_error(tmp_path, "connection closed")
    assert record.end(tmp_path, succeeded=False).error == "lr is no number"
    record.note_error(tmp_path, "interrupted", cause=True)
    assert record.end(tmp_path, succeeded=False).error == "interrupted"
    record.begin(tmp_path, 0, [])
    assert record.end(tmp_path, succeeded=True).error == ""


def test_a_job_that_did_not_end_has_failed(tmp_path):
    record.begin(tmp_path, 0, [])
    (job,) = record.jobs_of(tmp_path)
    assert not job.succeeded
    assert job.error == "it did not end"


def test_a_sweep_within_the_directory_of_another_is_let_be(make_job, tmp_path):
    make_job(0, "seed=1")
    inner = tmp_path / "train_sweep" / "today"
    (inner / "0").mkdir(parents=True)
    (inner / "multirun.yaml").touch()
    (tmp_path / "multirun.yaml").touch()
    record.begin(inner / "0", 0, ["seed=9"])
    assert [job.overrides for job in record.jobs_of(tmp_path)] == [["seed=1"]]
    record.forget_jobs_of(tmp_path)
    assert [job.overrides for job in record.jobs_of(inner)] == [["seed=9"]]


@pytest.mark.parametrize("foreign", ["", "[1]", '{"job": 1}'])
def test_forgetting_takes_nothing_but_the_records(make_job, tmp_path, foreign):
    directory = make_job(0, "seed=1", error="x")
    other = tmp_path / "other"
    other.mkdir()
    (other / "job.json").write_text(foreign)
    assert len(record.jobs_of(tmp_path)) == 1
    record.forget_jobs_of(tmp_path)
    assert record.jobs_of(tmp_path) == []
    assert [path.name for path in directory.iterdir()] == ["stitches.jsonl"]
    assert (other / "job.json").read_text() == foreign
