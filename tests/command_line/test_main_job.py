"""The main job as a user runs it: train, then evaluate, and what both leave behind."""

import csv
import json
from html import escape

import matplotlib.image
import pytest
import torch

import snnet_lightning as sn
from snnet_lightning.command.job import job

TESTED = "trainer.limit_test_batches=3"
SHORT = [
    "trainer.max_epochs=2",
    "trainer.limit_train_batches=8",
    "trainer.check_val_every_n_epoch=2",
    "trainer.limit_val_batches=2",
    TESTED,
    "num_threads=1",  # the same sums in every process
]
KEYS = ["id", "name", "flops", "params", "acc1", "acc5", "loss", "images", "memory"]


def rows(run):
    return [json.loads(line) for line in (run.directory / "stitches.jsonl").read_text().splitlines()]


def succeeded(run):
    assert run.status == 0, run.err
    return run


@pytest.fixture(scope="module")
def trained(run_here, tmp_path_factory):
    return succeeded(run_here("train.py", *SHORT, directory=tmp_path_factory.mktemp("trained")))


def test_what_a_run_leaves(trained):
    found = rows(trained)
    assert [list(row) for row in found] == [KEYS] * 35
    assert [row["id"] for row in found] == list(range(35))
    assert {row["images"] for row in found} == {3 * 64}
    assert sum(row["acc1"] for row in found) / 35 > 50  # initialised and trained, not chance
    assert matplotlib.image.imread(trained.directory / "pareto.png").ndim == 3
    assert {"last.ckpt", "best.ckpt", "metrics.csv"} <= trained.written()
    assert (trained.directory / "checkpoints" / "last.ckpt").is_file()
    assert not any(name.endswith(".tmp") for name in trained.written())
    saved = sn.load(trained.directory / "snnet")
    assert [row.acc1 for row in saved.rows] == [row["acc1"] for row in found]
    assert saved.class_names == tuple("0123456789")
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


def test_the_same_seed_gives_the_same_file_and_another_does_not(trained, run_here, tmp_path):
    """In other processes too: test_survival.py trains in several."""
    again = succeeded(run_here("train.py", *SHORT, directory=tmp_path / "again"))
    other = succeeded(run_here("train.py", *SHORT, "seed=2", directory=tmp_path / "other"))
    first, second, third = ((run.directory / "stitches.jsonl").read_bytes() for run in (trained, again, other))
    assert first == second
    assert first != third


def test_evaluating_the_checkpoint_gives_the_same_rows(trained, run_here, tmp_path):
    checkpoint = trained.directory / "checkpoints" / "last.ckpt"
    evaluated = rows(succeeded(run_here("evaluate.py", f"ckpt_path={checkpoint}", TESTED, directory=tmp_path)))
    for row, expected in zip(evaluated, rows(trained), strict=True):
        assert row == expected | {"loss": pytest.approx(expected["loss"], rel=1e-6)}


def test_resuming_goes_on_for_the_epochs_that_are_left_without_the_first_weights(trained, run_here, tmp_path):
    content = torch.load(trained.directory / "checkpoints" / "last.ckpt")
    content["origin"]["base_models"] = ["timm/vit.a1_in1k", None, "somebody/vit"]
    torch.save(content, tmp_path / "last.ckpt")
    options = ["trainer.max_epochs=3", *SHORT[1:], "trainer.limit_test_batches=1", "anchors.weights=gone.pth"]
    resumed = succeeded(run_here("train.py", *options, f"ckpt_path={tmp_path / 'last.ckpt'}", directory=tmp_path / "x"))
    steps = [torch.load(r.directory / "checkpoints" / "last.ckpt")["global_step"] for r in (trained, resumed)]
    assert steps == [16, 24]
    assert sn.load(resumed.directory / "snnet").origin.base_models == ("timm/vit.a1_in1k", None, "somebody/vit")


def test_a_metric_of_the_training_can_be_the_optimized_one(run_here, tmp_path):
    short = ["trainer.max_epochs=1", "trainer.check_val_every_n_epoch=1"]
    short += [f"trainer.limit_{loop}_batches=1" for loop in ("train", "val", "test")]
    succeeded(run_here("train.py", *short, "optimized_metric=val/acc1", directory=tmp_path / "known"))
    for name, trained in (("val/acc", False), ("acc", True)):  # only the first is known to be none of ours
        other = run_here("train.py", *short, f"optimized_metric={name}", directory=tmp_path / name)
        assert other.status == 1
        assert f"error: optimized_metric={name}: there is no such metric; there are " in other.err
        assert " val/acc1, " in other.err
        assert (other.directory / "stitches.jsonl").exists() == trained


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_initialised_and_trained_in_a_true_precision(run_here, tmp_path, precision):
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_test_batches=1"]
    succeeded(run_here("train.py", *short, f"trainer.precision={precision}", directory=tmp_path))
    first, *_ = (tmp_path / "stitching_layers.jsonl").read_text().splitlines()
    assert 0 < json.loads(first)["relative_error"] < 1


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "8", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"GROUP_RANK": "0", "NODE_RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
def test_only_the_first_process_writes_the_configuration(composed, tmp_path, monkeypatch, environment, first):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    task = job("train", "snnet_lightning.command.train")(lambda cfg: cfg.seed)
    assert task(composed("seed=5", directory=tmp_path)) == 5
    assert (tmp_path / "config.yaml").exists() == first


def test_several_loggers_and_none(composed, run_here, tmp_path):
    cfg = composed("logger=[csv,wandb]", directory=tmp_path)
    assert list(cfg.logger) == ["csv", "wandb"]
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_test_batches=1"]
    run = succeeded(run_here("train.py", "~logger", "callbacks.lr_monitor=null", *short, directory=tmp_path / "none"))
    assert "summary.json" in run.written()
    assert "metrics.csv" not in run.written()


def test_the_average_is_what_the_run_and_its_checkpoint_report(run_here, tmp_path):
    options = [*SHORT, "ema=default", "callbacks.ema.decay=0.8"]
    trained = succeeded(run_here("train.py", *options, directory=tmp_path / "train"))
    checkpoint = trained.directory / "checkpoints" / "last.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    assert content["averaging_state"]["n_averaged"] == 16
    evaluated = rows(
        succeeded(run_here("evaluate.py", f"ckpt_path={checkpoint}", TESTED, directory=tmp_path / "evaluate"))
    )
    for row, expected in zip(evaluated, rows(trained), strict=True):
        assert row == expected | {"loss": pytest.approx(expected["loss"], rel=1e-6)}


def test_the_cost_of_deit_needs_neither_data_nor_weights(run_here, tmp_path):
    run = succeeded(run_here("evaluate.py", "anchors=deit_ti_s_b", "accuracy=false", directory=tmp_path))
    assert [list(row) for row in rows(run)] == [[*KEYS[:4], "memory"]] * 71
    assert rows(run)[0]["flops"] == 1258411200
    assert rows(run)[36]["name"] == "deit_tiny[:12] > deit_small[11:]"
    assert "pareto.png" not in run.written()
    assert "FLOPs</span> against parameters" in (run.directory / "report.html").read_text()
    assert "71 stitches" in run.out
