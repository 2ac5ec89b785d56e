"""Sweeps whose jobs a launcher starts."""

import csv
import json

import pytest


def test_submitit_starts_every_job_of_a_sweep_and_its_processes(run_here, tmp_path):
    shrink = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_test_batches=1"]
    swept = ["strategy=ddp", "trainer.accelerator=cpu", "trainer.devices=1,2"]
    sweep = ["-m", "hydra/launcher=submitit_local", *swept, f"hydra.sweep.dir={tmp_path}"]
    run = run_here("train.py", *sweep, *shrink, directory=tmp_path)
    assert run.status == 0, run.err
    assert f"2 of 2 jobs succeeded; results are in {tmp_path}" in run.out
    first, second = ((tmp_path / job / "stitches.jsonl").read_text().splitlines() for job in "01")
    assert len(first) == len(second) == 35
    assert [json.loads(line)["images"] for line in (first[0], second[0])] == [64, 128]
    with open(tmp_path / "sweep.csv") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok", "ok"]


@pytest.mark.slow
def test_submitit_starts_a_job_once(run_here, tmp_path):
    sweep = ["-m", "hydra/launcher=submitit_local", "hydra.launcher.tasks_per_node=2", f"hydra.sweep.dir={tmp_path}"]
    run = run_here("train.py", *sweep, "seed=1", directory=tmp_path)
    assert run.status == 1
    assert run.err.splitlines()[-1].startswith("error: hydra.launcher.tasks_per_node must be 1")
