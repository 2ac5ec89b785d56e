"""Runs that are killed, terminated or go astray: what is left, and how they go on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
TRAIN = [
    "train.py",
    "trainer.max_epochs=4",
    "tuning.epochs=2",
    "trainer.check_val_every_n_epoch=2",
    "trainer.limit_train_batches=8",
    "trainer.limit_val_batches=2",
    "callbacks.last_checkpoint.every_n_train_steps=7",
    "callbacks.continue_evaluation.every_seconds=0",
    "anchors.kwargs_each=[{drop_path_rate:0.1},{drop_path_rate:0.1},{}]",
    "ckpt_path=last",
    "num_threads=1",  # the same sums in every process
]
STEPS = 4 * 8


def process(words, directory):
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, *words, f"hydra.run.dir={directory}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(path, run, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)


def kill(run):
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


def last(directory):
    return torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same(directory, reference):
    state, expected = last(directory), last(reference)
    assert state["global_step"] == expected["global_step"] == STEPS
    differ = [key for key, value in expected["state_dict"].items() if not torch.equal(state["state_dict"][key], value)]
    assert not differ
    assert (directory / "stitches.jsonl").read_bytes() == (reference / "stitches.jsonl").read_bytes()


@pytest.fixture(scope="module", params=["stand_still", pytest.param("move", marks=pytest.mark.slow)])
def words(request):
    """Of a run in either mode: in one of them, which parameters were used is part of a training's state."""
    return [*TRAIN, f"optim.unused={request.param}"]


@pytest.fixture(scope="module")
def finish(run_here):
    def to_its_end(words, directory):
        run = run_here(*words, directory=directory)
        assert run.status == 0, run.err

    return to_its_end


@pytest.fixture(scope="module")
def reference(words, finish, tmp_path_factory):
    directory = tmp_path_factory.mktemp("reference")
    finish(words, directory)
    return directory


@pytest.mark.parametrize("validated", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_killed_in_training_and_in_evaluation_ends_as_if_it_had_not_been(
    words, reference, finish, tmp_path, validated
):
    for wait in ("checkpoints/last.ckpt", *["checkpoints/best.ckpt"] * validated, "evaluation.0.part"):
        run = process(words, tmp_path)
        wait_for(tmp_path / wait, run)
        kill(run)
    kept = torch.load(tmp_path / "evaluation.0.part", weights_only=True)["batches"]
    assert 0 < kept < 9
    finish(words, tmp_path)
    assert_same(tmp_path, reference)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_kills_at_random_moments(words, reference, finish, tmp_path, seed):
    moments = random.Random(seed)
    for _ in range(4):
        run = process(words, tmp_path)
        try:
            run.communicate(timeout=moments.uniform(6, 16))
        except subprocess.TimeoutExpired:
            kill(run)
    finish(words, tmp_path)
    assert_same(tmp_path, reference)


@pytest.mark.slow
def test_sigterm_for_all_processes_saves_the_step_and_the_run_goes_on_from_it(words, reference, finish, tmp_path):
    words = [*words, "callbacks.last_checkpoint.every_n_train_steps=null", "data.num_workers=1"]
    run = process([*words, "trainer.log_every_n_steps=1", "+logger.csv.flush_logs_every_n_steps=1"], tmp_path)
    metrics = tmp_path / "csv" / "version_0" / "metrics.csv"
    wait_for(tmp_path / "checkpoints" / "last.ckpt", run)  # after the first epoch
    logged = len(metrics.read_text().splitlines())
    while len(metrics.read_text().splitlines()) < logged + 3:  # well into the second
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGTERM)  # as clusters end a job
    run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGTERM
    assert 8 < last(tmp_path)["global_step"] < STEPS
    assert not (tmp_path / "stitches.jsonl").exists()
    finish(words, tmp_path)
    assert_same(tmp_path, reference)


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(run_here, tmp_path):
    options = ["trainer.max_epochs=3", "optim.lr=1e30", "optim.warmup_epochs=1.3", "optim.warmup_lr=0"]
    run = run_here("train.py", *options, "callbacks.initialise.method=random", directory=tmp_path)
    assert run.status == 1
    line = run.err.splitlines()[-1]
    assert line.startswith("error: the loss is ")
    assert "batch" in line
    assert "stitch digits_" in line
    assert "anchors_decay" in line
    for path in tmp_path.rglob("*.ckpt"):
        state = torch.load(path, weights_only=True)["state_dict"]
        assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())
