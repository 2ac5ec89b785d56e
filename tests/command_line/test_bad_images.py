"""Images that cannot be served, as a user sees it: one line and a failure status, with any number of workers."""

import re

import pytest

RECORD = {"config.yaml", "hydra.yaml", "overrides.yaml", "train.log"}
IMAGES = ["data=imagefolder", "data.batch_size=18", "data.num_workers=0", "~callbacks.progress"]
THREE = ["anchors.num_classes=3", "anchors.weights=random", "num_threads=1", "callbacks.initialise.method=random"]


def assert_refused(run, says):
    assert run.status == 1
    (line,) = (line for line in run.err.splitlines() if line.startswith("error: "))
    assert re.search(says, line), line
    assert "Traceback" not in run.err
    assert run.written() <= RECORD


def test_no_root(run_here, tmp_path):
    assert_refused(run_here("train.py", *IMAGES, directory=tmp_path), "data.root")


def test_other_classes_than_the_heads(run_here, tmp_path, imagenet_tree):
    run = run_here("train.py", *IMAGES, f"data.root={imagenet_tree}", directory=tmp_path)
    assert_refused(run, "the data has 3 classes.*heads have 10: anchors.num_classes=3 makes heads")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_read(run_here, tmp_path, imagenet_tree, workers):
    options = [*THREE, f"data.root={imagenet_tree}", "data.unreadable=refuse", f"data.num_workers={workers}"]
    run = run_here("train.py", *IMAGES, *options, directory=tmp_path)
    assert_refused(run, r"bee/corrupt_2\.jpg .*cannot be read; data\.unreadable=skip leaves such files out")
