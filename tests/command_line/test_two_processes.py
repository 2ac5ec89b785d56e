"""strategy=ddp from the command line: one result, the same as one process finds for the checkpoint."""

import json

import pytest

from tests.command_line.test_wandb import logged_under

TWO = ["trainer.accelerator=cpu", "trainer.devices=2"]
SHORT = [
    "trainer.max_epochs=1",
    "trainer.check_val_every_n_epoch=1",
    "trainer.limit_train_batches=4",
    "trainer.limit_val_batches=1",
]


def rows(directory):
    return [json.loads(line) for line in (directory / "stitches.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(start, tmp_path_factory):
    directory = tmp_path_factory.mktemp("ddp") / "two"  # beside it, other processes could write too
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_SILENT", "true")
        loggers = ["logger=[csv,wandb]", "logger.wandb.offline=true"]
        run = start("train.py", "strategy=ddp", *loggers, *TWO, *SHORT, directory=directory)
    assert run.status == 0, run.err
    return run


@pytest.mark.slow
def test_training_and_its_checkpoint_in_one_process(trained, run_here, tmp_path):
    run = trained
    said = run.out.partition("Epoch ")[0].splitlines()
    assert len(said) == len(set(said)) <= 10, run.out  # for both processes
    assert "initialised 10 stitching layers by least squares on 100 images" in said
    assert run.err == ""
    written = {path.parent for path in run.directory.parent.rglob("stitches.jsonl")}
    assert written == {run.directory, run.directory / "snnet"}
    found = rows(run.directory)
    assert [row["id"] for row in found] == list(range(35))
    assert {row["images"] for row in found} == {540}
    (checkpoint,) = run.directory.parent.rglob("last.ckpt")
    alone = run_here("evaluate.py", f"ckpt_path={checkpoint}", directory=tmp_path / "one")
    assert alone.status == 0, alone.err
    for mine, theirs in zip(found, rows(alone.directory), strict=True):
        assert mine.pop("loss") == pytest.approx(theirs.pop("loss"), rel=1e-6)
        assert mine == theirs


@pytest.mark.slow
def test_two_processes_are_one_run_of_wandb(trained):
    (logged,) = logged_under(trained.directory)
    assert logged.exit_code == 0
    assert logged.config["trainer"]["devices"] == 2
    assert len(logged.media("table/stitches/*.json")["data"]) == 35


def test_several_processes_without_ddp_are_refused(run_here, tmp_path):
    run = run_here("train.py", *TWO, directory=tmp_path)
    assert run.status == 1
    (line,) = [line for line in run.err.splitlines() if "error" in line]
    assert line.startswith("error: several processes need strategy=ddp")
    assert not {"stitches.jsonl", "last.ckpt"} & run.written()
