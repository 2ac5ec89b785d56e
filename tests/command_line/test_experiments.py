"""Every published run composes, takes two steps and is evaluated, at reduced size; one also on image folders."""

import json
import math
import re
from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from snnet_lightning.sampler import FlopsGroupedSampler, UniformSampler

ROOT = Path(__file__).parents[2]
ALL = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
OURS = ("digits", "none", "own_images", "small_resnets")
EXPERIMENTS = [name for name in ALL if name not in OURS]  # the published ones
TWO_STEPS = ["trainer.limit_train_batches=2", "~callbacks.progress"]


def vit(*widths):
    return "anchors.kwargs_each=[" + ",".join(f"{{embed_dim:{w},num_heads:{w // 16}}}" for w in widths) + "]"


def swin(width, depth):
    return f"{{embed_dim:{width},num_heads:[1,2,4,8],depths:[2,2,{depth},2]}}"


def levit(width):
    return f"{{embed_dim:[{width},{width},{width}],num_heads:[2,2,2],key_dim:8}}"


RESNET = "{channels:[8,16,32,64]}"

NARROW = {
    "deit_ti_s_b": [vit(16, 32, 48)],
    "deit3_s_b": [vit(16, 32)],
    "deit3_s_l": [vit(16, 32)],
    "deit3_b_l": [vit(16, 32)],
    "swin_ti_s_b": [f"anchors.kwargs_each=[{swin(8, 2)},{swin(8, 4)},{swin(16, 4)}]"],
    "resnet18_50": [f"anchors.kwargs_each=[{RESNET},{RESNET}]"],
    "resnet18_swin_ti": [f"anchors.kwargs_each=[{RESNET},{swin(8, 2)}]"],
    "levit_192_256": [f"anchors.kwargs_each=[{levit(16)},{levit(32)}]"],
}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_two_steps_and_the_evaluation(experiment, assert_trains):
    overrides = [
        f"experiment={experiment}",
        "debug=default",
        "trainer.limit_train_batches=2",
        *NARROW.get(experiment, []),
    ]
    assert_trains(*overrides, steps=2)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_sampler_is_the_published_one(experiment, composed, tmp_path, imagenet_tree):
    sampler = instantiate(
        composed(f"experiment={experiment}", f"data.root={imagenet_tree}", directory=tmp_path).sampler
    )
    second_version = experiment.startswith("deit3")
    assert sampler == (FlopsGroupedSampler(1, gap=1e9) if second_version else UniformSampler(1))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_what_the_head_of_the_file_says(experiment, composed, tmp_path, imagenet_tree):
    """The anchors, the batch and the epochs as its comments tell them; data that its anchors agree on."""
    text = (ROOT / "conf" / "experiment" / f"{experiment}.yaml").read_text()
    root = f"data.root={imagenet_tree}"
    cfg = composed(f"experiment={experiment}", root, directory=tmp_path)
    OmegaConf.resolve(cfg)
    assert f"train.py experiment={experiment} data.root=" in text
    assert cfg.data.batch_size == int(re.search(r"8 GPUs with (\d+) images each", text)[1])
    assert cfg.trainer.max_epochs == int(re.search(r"(\d+) epochs", text)[1])
    assert cfg.anchors.weights == "pretrained"
    assert cfg.anchors.num_classes == cfg.data.num_classes == 1000
    data = instantiate(cfg.data, batch_size=2, num_workers=0)
    data.setup()
    images, targets = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert images.shape == (2, 3, 224, 224)
    assert targets.shape == ((2, 3) if cfg.data.mixup else (2,))


def test_an_experiment_on_image_folders(run_here, tmp_path, imagenet_tree):
    """With the files among them that cannot be read."""
    small = ["anchors.num_classes=3", "anchors.input_size=[3,32,32]", "anchors.weights=random", *NARROW["deit_ti_s_b"]]
    data = [f"data.root={imagenet_tree}", "data.batch_size=4", "data.num_workers=2"]
    length = ["trainer.max_epochs=1", "trainer.limit_val_batches=1", "callbacks.initialise.samples=8", "num_threads=1"]
    overrides = ["experiment=deit_ti_s_b", "~distillation", *TWO_STEPS, *small, *data, *length]
    run = run_here("train.py", *overrides, directory=tmp_path)
    assert run.status == 0, run.err
    rows = [json.loads(line) for line in (tmp_path / "stitches.jsonl").read_text().splitlines()]
    assert len(rows) == 71
    assert {row["images"] for row in rows} == {14}  # of 15
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert "val/bee/corrupt_2.jpg" in (tmp_path / "train.log").read_text()
