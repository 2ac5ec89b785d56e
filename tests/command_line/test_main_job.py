"""The main job as a user runs it: train, then evaluate, and what both leave behind."""

import csv
import json
from html import escape

import matplotlib.image
import pytest
import torch

SHORT = ["trainer.max_epochs=2", "trainer.limit_train_batches=8", "trainer.check_val_every_n_epoch=2"]
KEYS = ["id", "name", "flops", "params", "acc1", "acc5", "loss", "images"]


def rows(run):
    return [json.loads(line) for line in (run.directory / "stitches.jsonl").read_text().splitlines()]


def succeeded(run):
    assert run.status == 0, run.err
    return run


@pytest.fixture(scope="module")
def trained(start, tmp_path_factory):
    return succeeded(start("train.py", *SHORT, directory=tmp_path_factory.mktemp("trained")))


def test_what_a_run_leaves(trained):
    found = rows(trained)
    assert [list(row) for row in found] == [KEYS] * 35
    assert [row["id"] for row in found] == list(range(35))
    assert {row["images"] for row in found} == {540}
    assert sum(row["acc1"] for row in found) / 35 > 50  # initialised and trained, not chance
    assert matplotlib.image.imread(trained.directory / "pareto.png").ndim == 3
    assert {"last.ckpt", "best.ckpt", "metrics.csv"} <= trained.written()
    assert (trained.directory / "checkpoints" / "last.ckpt").is_file()
    assert not any(name.endswith(".tmp") for name in trained.written())
    config = (trained.directory / "config.yaml").read_text()
    page = (trained.directory / "report.html").read_text()
    assert f"python train.py {' '.join(SHORT)} hydra.run.dir={trained.directory}" in page
    assert escape(config) in page
    assert "${" not in config
    assert "max_epochs: 2" in config
    assert "35 stitches" in trained.out
    assert all(row["name"].split(" > ")[0] in trained.out for row in found)


def test_every_learning_rate_is_logged(trained):
    with open(trained.directory / "csv" / "version_0" / "metrics.csv") as file:
        columns = set(csv.DictReader(file).fieldnames)
    groups = {f"{owner}_{decay}" for owner in ("anchors", "stitching_layers") for decay in ("decay", "no_decay")}
    assert {f"lr/{group}" for group in groups} | {"train/loss", "val/acc1", "test/acc1"} <= columns


def test_the_same_seed_gives_the_same_file_and_another_does_not(trained, start, run_here, tmp_path):
    again = succeeded(start("train.py", *SHORT, directory=tmp_path / "again"))
    other = succeeded(run_here("train.py", *SHORT, "seed=2", directory=tmp_path / "other"))
    first, second, third = ((run.directory / "stitches.jsonl").read_bytes() for run in (trained, again, other))
    assert first == second
    assert first != third


def test_evaluating_the_checkpoint_gives_the_same_rows(trained, run_here, tmp_path):
    checkpoint = trained.directory / "checkpoints" / "last.ckpt"
    evaluated = rows(succeeded(run_here("evaluate.py", f"ckpt_path={checkpoint}", directory=tmp_path)))
    for row, expected in zip(evaluated, rows(trained), strict=True):
        assert row == expected | {"loss": pytest.approx(expected["loss"], rel=1e-6)}


def test_resuming_goes_on_for_the_epochs_that_are_left(trained, run_here, tmp_path):
    checkpoint = trained.directory / "checkpoints" / "last.ckpt"
    options = ["trainer.max_epochs=3", *SHORT[1:], "trainer.limit_test_batches=1", f"ckpt_path={checkpoint}"]
    resumed = succeeded(run_here("train.py", *options, directory=tmp_path))
    steps = [torch.load(r.directory / "checkpoints" / "last.ckpt")["global_step"] for r in (trained, resumed)]
    assert steps == [16, 24]


def test_evaluation_recalls_what_shaped_the_network(run_here, tmp_path):
    options = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_test_batches=1"]
    trained = succeeded(run_here("train.py", *options, "stitch.kernel_size=1", directory=tmp_path / "train"))
    assert len(rows(trained)) == 3 + 2 * 6
    checkpoint = trained.directory / "checkpoints" / "last.ckpt"
    evaluated = succeeded(run_here("evaluate.py", f"ckpt_path={checkpoint}", directory=tmp_path / "evaluate"))
    assert "kernel_size: 1" in (evaluated.directory / "config.yaml").read_text()
    assert [row["name"] for row in rows(evaluated)] == [row["name"] for row in rows(trained)]
    assert {row["images"] for row in rows(evaluated)} == {540}  # how it was trained and tested is not recalled
    other = run_here("evaluate.py", f"ckpt_path={checkpoint}", "stitch.kernel_size=2", directory=tmp_path / "other")
    assert other.status == 1  # what is typed goes before what is recalled
    assert "trained with" in other.err
    assert "stitch.kernel_size=1" in other.err


def test_the_average_is_what_the_run_and_its_checkpoint_report(run_here, tmp_path):
    options = [*SHORT, "ema=default", "callbacks.ema.decay=0.8"]
    trained = succeeded(run_here("train.py", *options, directory=tmp_path / "train"))
    checkpoint = trained.directory / "checkpoints" / "last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    assert content["averaging_state"]["n_averaged"] == 16
    evaluated = rows(succeeded(run_here("evaluate.py", f"ckpt_path={checkpoint}", directory=tmp_path / "evaluate")))
    for row, expected in zip(evaluated, rows(trained), strict=True):
        assert row == expected | {"loss": pytest.approx(expected["loss"], rel=1e-6)}


def test_the_cost_of_deit_needs_neither_data_nor_weights(run_here, tmp_path):
    run = succeeded(run_here("evaluate.py", "anchors=deit_ti_s_b", "accuracy=false", directory=tmp_path))
    assert [list(row) for row in rows(run)] == [KEYS[:4]] * 71
    assert rows(run)[0]["flops"] == 1258411200
    assert rows(run)[36]["name"] == "deit_tiny[:12] > deit_small[11:]"
    assert "pareto.png" not in run.written()
    assert "FLOPs against parameters" in (run.directory / "report.html").read_text()
    assert "71 stitches" in run.out
