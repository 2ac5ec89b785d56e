"""The road of a user's own images: the commands of its page, with fewer images and steps."""

import json
import runpy
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "own_images.md"
FEW = ["trainer.limit_train_batches=2", "callbacks.initialise.steps=5", "~callbacks.progress", "data.num_workers=0"]


def commands():
    return [shlex.split(line)[2:] for line in PAGE.read_text().splitlines() if line.startswith("python train.py ")]


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    root = tmp_path_factory.mktemp("mnist")
    runpy.run_path(str(ROOT / "tests" / "mnist_folders.py"))["write"](root, most=10)
    return root


def test_a_family_from_scratch_and_then_on_other_images(run_here, mnist, tmp_path):
    _, scratch, own = commands()
    scratch = [word for word in scratch if not word.startswith("hydra.run.dir=")]
    one = ["tuning.epochs=1", "trainer.max_epochs=1", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1"]
    first = run_here("train.py", *scratch, *FEW, *one, directory=tmp_path / "a")
    assert first.status == 0, first.err
    moved = {"data.root": mnist, "anchors.weights": tmp_path / "a" / "checkpoints" / "last.ckpt"}
    own = [f"{key}={moved[key]}" if (key := word.split("=")[0]) in moved else word for word in own]
    short = ["tuning.epochs=1", "trainer.max_epochs=2", "data.batch_size=16", "calibration.images=32"]
    second = run_here("train.py", *own, *FEW, *short, directory=tmp_path / "b")
    assert second.status == 0, second.err
    rows = [json.loads(line) for line in (tmp_path / "b" / "stitches.jsonl").read_text().splitlines()]
    assert len(rows) == 16
    assert {row["images"] for row in rows} == {20}
    assert [row["name"] for row in rows[:3]] == ["tiny", "small", "base"]


def test_classes_are_those_of_the_folders(run_here, imagenet_tree, tmp_path):
    own, *_ = commands()
    own = [word for word in own if not word.startswith(("data.root=", "anchors.names="))]
    narrow = ["anchors.names=[resnet18,resnet18]", "+anchors.kwargs.channels=[8,8,8,8]", "anchors.weights=random"]
    short = ["tuning.epochs=1", "trainer.max_epochs=2", "data.batch_size=4", "calibration.images=16"]
    run = run_here("train.py", *own, *narrow, *FEW, *short, f"data.root={imagenet_tree}", directory=tmp_path)
    assert run.status == 0, run.err
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["anchors"]["num_classes"] is None
    assert "data.crop_pct" not in run.err
