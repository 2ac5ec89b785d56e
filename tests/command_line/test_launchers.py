"""Sweeps whose jobs a launcher starts."""

import csv
import json

import pytest


def test_submitit_starts_every_job_of_a_sweep_and_its_processes(run_here, tmp_path):
    shrink = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_test_batches=1"]
    swept = ["anchors=deit_ti_s_b,digits", "strategy=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    sweep = ["-m", "hydra/launcher=submitit_local", *swept, f"hydra.sweep.dir={tmp_path}"]
    run = run_here("train.py", *sweep, *shrink, directory=tmp_path)
    assert run.status == 1
    assert f"1 of 2 jobs succeeded; results are in {tmp_path}" in run.out
    rows = [json.loads(line) for line in (tmp_path / "1" / "stitches.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [128] * 35  # a batch of each process
    with open(tmp_path / "sweep.csv") as file:
        refused, trained = csv.DictReader(file)
    assert (refused["status"], trained["status"]) == ("failed", "ok")
    assert refused["error"].startswith("anchors=deit_ti_s_b would be trained as experiment=digits")


@pytest.mark.slow
def test_submitit_starts_a_job_once(run_here, tmp_path):
    sweep = ["-m", "hydra/launcher=submitit_local", "hydra.launcher.tasks_per_node=2", f"hydra.sweep.dir={tmp_path}"]
    run = run_here("train.py", *sweep, "seed=1", directory=tmp_path)
    assert run.status == 1
    assert run.err.splitlines()[-1].startswith("error: hydra.launcher.tasks_per_node must be 1")
