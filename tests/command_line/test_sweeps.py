"""Sweeps from the command line: what is in their directory, and that nothing but a signal ends them early."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.image
import pytest

ROOT = Path(__file__).parents[2]
SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_test_batches=1"]
TWO = ["strategy=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


def table(sweep):
    with open(sweep / "sweep.csv") as file:
        return list(csv.DictReader(file))


def assert_row_is_that_of_the_job(row, directory, overrides):
    """Every cell: how the job ended, what it was told, and its own summary."""
    summary = json.loads((directory / "summary.json").read_text())
    told = {"job": directory.name, "directory": directory.name, "status": "ok", "error": "", **overrides}
    assert {key: row[key] for key in told} == told
    assert {key: float(row[key]) for key in summary} == summary
    assert row.keys() - told.keys() - summary.keys() == {word.split("=")[0] for word in SHORT}


def assert_left_what_a_run_leaves(directory):
    found = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    needed = {"stitches.jsonl", "pareto.png", "config.yaml", "checkpoints/last.ckpt", "csv/version_0/metrics.csv"}
    assert needed | {".hydra/overrides.yaml"} <= found


def test_a_setting_that_is_refused_and_another(run_here, tmp_path):
    sweep = tmp_path / "a b"  # as is a file system that was not made for shells
    swept = ["anchors=deit_ti_s_b,digits", "seed=2", "optimized_metric=test/gap"]
    run = run_here("train.py", "-m", *swept, *SHORT, f"hydra.sweep.dir='{sweep}'", directory=tmp_path / "run")
    assert run.status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a b"]
    assert {path.name for path in sweep.iterdir()} == {"0", "1", "multirun.yaml", "sweep.csv", "sweep.png"}
    refused, trained = table(sweep)
    assert (refused["status"], refused["test/acc1"]) == ("failed", "")
    assert refused["error"].startswith("anchors=deit_ti_s_b would be trained as experiment=digits")
    told = {"anchors": "digits", "seed": "2", "optimized_metric": "test/gap"}
    assert_row_is_that_of_the_job(trained, sweep / "1", told)
    returned = json.loads((sweep / "1" / "job.json").read_text())["value"]
    assert returned == pytest.approx(float(trained["test/gap"]), rel=1e-5)
    assert_left_what_a_run_leaves(sweep / "1")
    assert matplotlib.image.imread(sweep / "sweep.png").ndim == 3
    assert f"1 of 2 jobs succeeded; results are in {sweep}" in run.out
    (line,) = [line for line in run.err.splitlines() if line.startswith("job ")]
    assert line == f"job 0 (anchors=deit_ti_s_b) failed: {refused['error']}; see {sweep / '0'}"
    assert run.err.splitlines()[-1] == "error: 1 of 2 jobs failed"
    assert "Traceback" not in run.err


@pytest.mark.slow
def test_two_settings_with_two_seeds(start, tmp_path):
    sweep = tmp_path / "sweep"
    swept = ["sampler=uniform,flops_grouped", "seed=1,2", "optimized_metric=test/gap"]
    run = start("train.py", "-m", *swept, *SHORT, f"hydra.sweep.dir='{sweep}'", directory=tmp_path / "run")
    assert run.status == 0, run.err
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]
    jobs = {"0", "1", "2", "3"}
    assert {path.name for path in sweep.iterdir()} == jobs | {"multirun.yaml", "sweep.csv", "sweep.png"}
    rows = table(sweep)
    settings = [(sampler, seed) for sampler in ("uniform", "flops_grouped") for seed in "12"]
    for (sampler, seed), row in zip(settings, rows, strict=True):
        told = {"sampler": sampler, "seed": seed, "optimized_metric": "test/gap"}
        assert_row_is_that_of_the_job(row, sweep / row["job"], told)
        returned = json.loads((sweep / row["job"] / "job.json").read_text())["value"]
        assert returned == pytest.approx(float(row["test/gap"]), rel=1e-5)
    assert len({row["test/acc1"] for row in rows}) == 4
    for job in jobs:
        assert_left_what_a_run_leaves(sweep / job)
    assert matplotlib.image.imread(sweep / "sweep.png").ndim == 3
    assert f"4 of 4 jobs succeeded; results are in {sweep}" in run.out


@pytest.mark.slow
def test_the_others_go_on_when_a_job_fails(start, tmp_path):
    sweep = tmp_path / "sweep"
    swept = ["sampler=sandwich,uniform", "net.freeze_anchors=true,false"]  # of these, one cannot be
    run = start("train.py", "-m", *swept, *SHORT, f"hydra.sweep.dir={sweep}", directory=tmp_path / "run")
    assert run.status == 1
    failed, *others = table(sweep)
    assert (failed["status"], failed["test/acc1"]) == ("failed", "")
    assert failed["error"].startswith("sampler=sandwich trains the smallest and the largest anchor")
    settings = [("sandwich", "False"), ("uniform", "True"), ("uniform", "False")]  # as Hydra hands them on
    for (sampler, frozen), row in zip(settings, others, strict=True):
        told = {"sampler": sampler, "net.freeze_anchors": frozen}
        assert_row_is_that_of_the_job(row, sweep / row["job"], told)
    assert "3 of 4 jobs succeeded" in run.out
    assert run.err.splitlines()[-1] == "error: 1 of 4 jobs failed"


@pytest.mark.slow
def test_jobs_of_two_processes(start, tmp_path):
    sweep = tmp_path / "sweep"
    run = start("train.py", "-m", *TWO, "seed=1,2", *SHORT, f"hydra.sweep.dir={sweep}", directory=tmp_path / "run")
    assert run.status == 0, run.err
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]
    ddp = {word.split("=")[0]: word.split("=")[1] for word in TWO}
    for row, seed in zip(table(sweep), "12", strict=True):
        assert_row_is_that_of_the_job(row, sweep / row["job"], {"seed": seed, **ddp})
        (log,) = (sweep / row["job"]).glob("train_ddp_process_*.log")
        assert log.name == "train_ddp_process_1.log"


@pytest.mark.slow
def test_jobs_of_two_processes_go_on_when_one_fails(start, tmp_path):
    sweep = tmp_path / "sweep"
    swept = [*TWO, "data.batch_size=5000,32"]
    run = start("train.py", "-m", *swept, *SHORT, f"hydra.sweep.dir={sweep}", directory=tmp_path / "run")
    assert run.status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]
    failed, other = table(sweep)
    ddp = {word.split("=")[0]: word.split("=")[1] for word in TWO}
    assert_row_is_that_of_the_job(other, sweep / "1", {"data.batch_size": "32", **ddp})
    assert (failed["status"], failed["test/acc1"]) == ("failed", "")
    assert failed["error"].startswith("data.batch_size=5000: must be 1 to")
    assert (sweep / "sweep.png").is_file()
    says = [f"job 0 (data.batch_size=5000) failed: {failed['error']}; see {sweep / '0'}", "error: 1 of 2 jobs failed"]
    assert run.err.splitlines()[-2:] == says
    assert "Traceback" not in run.err
    assert len(list(sweep.rglob("train_ddp_process_1.log"))) == 2  # there were two processes


@pytest.mark.slow
def test_a_killed_job_and_an_interrupted_sweep(tmp_path):
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    words = ["-m", "seed=1,2,3", *TWO, "trainer.max_epochs=1000", "hydra.sweep.dir=sweep", "num_threads=1"]
    command = [sys.executable, str(ROOT / "train.py"), *words]
    sweep = tmp_path / "sweep"
    with open(tmp_path / "err", "w") as err:
        environment = os.environ | {"PYTHONPATH": path}
        running = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=err)
    begun(sweep / "0" / "config.yaml")  # which the job's own process writes; job.json is there before it
    (killed,) = children(running.pid)
    os.kill(killed, signal.SIGKILL)
    begun(sweep / "1" / "csv" / "version_0")  # it trains
    begun(sweep / "1" / "train_ddp_process_1.log")
    (leader,) = children(running.pid)
    assert len(processes_of(leader)) >= 2
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=40) == 128 + signal.SIGINT
    assert processes_of(killed) == processes_of(leader) == []
    rows = [(row["job"], row["status"], row["error"]) for row in table(sweep)]
    assert rows == [("0", "failed", "killed by SIGKILL"), ("1", "failed", "interrupted")]
    assert "job 1 (seed=2) failed: interrupted" in (tmp_path / "err").read_text()


def begun(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until, f"waited for {path} in vain"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def processes_of(leader: int) -> list[int]:
    """The processes that are left of a job, by its first."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, *_, group = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):  # not of a process, or of one that has just ended
            continue
        if int(group) == leader and state != "Z":
            found.append(int(entry.name))
    return found
