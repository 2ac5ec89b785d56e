"""Sweeps whose jobs a launcher starts."""

import json


def test_submitit_starts_every_job_of_a_sweep(start, tmp_path):
    shrink = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_test_batches=1"]
    sweep = ["-m", "hydra/launcher=submitit_local", "seed=1,2", f"hydra.sweep.dir={tmp_path}"]
    run = start("train.py", *sweep, *shrink, directory=tmp_path)
    assert run.status == 0, run.err
    first, second = ((tmp_path / job / "stitches.jsonl").read_text().splitlines() for job in "01")
    assert len(first) == len(second) == 35
    assert [json.loads(line)["loss"] for line in first] != [json.loads(line)["loss"] for line in second]
