"""Wrong input: one line that names what is wrong and what would be right, a failure status, nothing half-written."""

import re
from pathlib import Path

import pytest
import timm
import torch

RECORD = {"config.yaml", "hydra.yaml", "overrides.yaml", "train.log", "evaluate.log"}  # what was asked for

TRAIN = {
    "trainer.max_epoch=3": "no key 'trainer.max_epoch'; did you mean trainer.max_epochs",
    "optm.lr=1": "no key 'optm.lr'; did you mean optim.lr",
    "zzz=1": "no key 'zzz'; --cfg job lists them all",
    "hydra.launcher.zzz=1": "no key 'hydra.launcher.zzz'; --cfg hydra lists them all",
    "anchors=deit": "anchors=deit: there is no such choice; there are .*deit_ti_s_b, digits",
    "sampler=unifrom": "sampler=unifrom: there is no such choice; there are flops_grouped, .*, uniform",
    "sampler=single": "Missing mandatory value: .*sampler.stitch",
    "max_epochs": "cannot read the override 'max_epochs': it must be key=value",
    "anchors.kwargs_each=[{depth: 8},{},{}]": r"digits_tiny: its pretrained weights .*do not fit .*blocks\.6",
    "+anchors.kwargs.dept=8": "anchors.kwargs of digits_tiny: .*dept",
    "anchors.names=[digits_tiny,visformer_tiny]": "visformer_tiny is a Visformer.*supported.*ResNet.*VisionTransformer",
    "anchors.names=[digits_tiny,digits_bse]": "no model 'digits_bse'; did you mean digits_base",
    "anchors.names=[digits_tiny]": "at least two anchors",
    "anchors.weights=no/such.pth": "anchors.weights: no file 'no/such.pth'",
    "callbacks.initialise.samples=0": "callbacks.initialise.samples=0.*at least 1",
    "data.batch_size=2000": "data.batch_size=2000: must be 1 to 1257",
    "stitch.kernel_size=0": "stitch.kernel_size=0: must be at least 1",
    "stitch.pairs=some": "stitch.pairs=some: must be nearest or all",
    "optim.opt=adamm": "optim.opt=adamm: .*list_optimizers",
    "optim.lr_base_batch=0": "optim.lr_base_batch=0: must be at least 1 image",
    "optim.scaled_rates=[lrr]": r"optim.scaled_rates=\['lrr'\]: must be a list of some of lr, warmup_lr, min_lr",
    "optim.agc_clip_factor=-1": "optim.agc_clip_factor=-1: must be above 0",
    "ckpt_path=no/such.ckpt": "ckpt_path=no/such.ckpt: no such file",
}


def assert_refused(run, says):
    assert run.status == 1
    (line,) = run.err.splitlines()
    assert line.startswith("error: ")
    assert re.search(says, line), line
    assert run.written() <= RECORD


SAMPLERS = {
    "sampler=single sampler.stitch=digits_bas": "sampler.stitch=digits_bas: no stitch that is trained .*digits_tiny, ",
    "sampler=single sampler.stitch=0 net.freeze_anchors=true": "sampler.stitch=0: no stitch that is trained ",
    "sampler=sandwich net.freeze_anchors=true": "sampler=sandwich trains .* net.freeze_anchors=true forbids",
    "sampler=sandwich sampler.random_stitches=34": "sampler.random_stitches=34: there are 33 to draw from",
    "distillation=in_place": "distillation=in_place: every step must draw the largest anchor first",
    "sampler=importance sampler.decay=1": "sampler.decay=1: must be at least 0 and below 1",
}


@pytest.mark.parametrize("overrides", SAMPLERS)
def test_samplers(run_here, tmp_path, overrides):
    assert_refused(run_here("train.py", *overrides.split(), directory=tmp_path), SAMPLERS[overrides])


@pytest.mark.parametrize("override", TRAIN)
def test_training(run_here, tmp_path, override):
    assert_refused(run_here("train.py", override, directory=tmp_path), TRAIN[override])


def test_anchors_of_unequal_depth(run_here, tmp_path):
    overrides = ["anchors.weights=random", "anchors.kwargs_each=[{depth: 4},{},{}]"]
    says = "stitch=paired needs .*equal depth.* digits_tiny 4, digits_small 6, digits_base 6"
    assert_refused(run_here("train.py", *overrides, directory=tmp_path), says)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ("trainer.accelerator=cpu trainer.devices=0", r"^error: trainer: .*devices=0.*cpu"),
        ("trainer.accelerator=gpu trainer.devices=99", r"^error: trainer: .*gpu"),
        ("trainer.accelerator=cpu trainer.limit_train_batches=0.0001", r"^error: trainer: .*limit_train_batches"),
    ],
)
def test_what_the_trainer_refuses(run_here, tmp_path, overrides, says):
    assert_refused(run_here("train.py", *overrides.split(), directory=tmp_path), says)


def missing(path: Path) -> str:
    return "no such file"


def truncated(path: Path) -> str:
    torch.save({"state_dict": {"net.x": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:2000])
    return "truncated"


def foreign(path: Path) -> str:
    torch.save(timm.create_model("digits_tiny").state_dict(), path)
    return r"not an SN-Net checkpoint.*cls_token.*anchors\.weights"


def of_another_network(path: Path) -> str:
    torch.save({"state_dict": {"net.anchors.0.model.cls_token": torch.zeros(1, 1, 5)}, "overrides": []}, path)
    return "does not fit the configured network.*missing.*of another shape"


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
@pytest.mark.parametrize("make", [missing, truncated, foreign, of_another_network])
def test_checkpoint(run_here, tmp_path, script, make):
    path = tmp_path / "x.ckpt"
    says = make(path)
    assert_refused(run_here(script, f"ckpt_path={path}", directory=tmp_path / "run"), f"ckpt_path={path}.*{says}")


def test_evaluation_without_a_checkpoint(run_here, tmp_path):
    assert_refused(run_here("evaluate.py", directory=tmp_path), "ckpt_path is missing.*accuracy=false")


@pytest.mark.parametrize("override", ["trainer.max_epoch=3", "anchors=deit"])
def test_in_a_process_of_its_own(start, tmp_path, override):
    assert_refused(start("train.py", override, directory=tmp_path), TRAIN[override])


def test_a_checkpoint_in_a_process_of_its_own(start, tmp_path):
    path = tmp_path / "x.ckpt"
    says = foreign(path)
    assert_refused(start("evaluate.py", f"ckpt_path={path}", directory=tmp_path / "run"), says)


def test_a_sweep_and_its_configuration_at_once(run_here, tmp_path):
    assert_refused(run_here("train.py", "-m", "--cfg", "job", directory=tmp_path), "Only one of .*--multirun, --cfg")


def test_a_sweep_fails_with_its_jobs(run_here, tmp_path):
    sweep = ["-m", "stitch.kernel_size=0", f"hydra.sweep.dir={tmp_path}"]
    run = run_here("train.py", *sweep, directory=tmp_path)
    assert run.status == 1
    assert "error: stitch.kernel_size=0: must be at least 1" in run.err.splitlines()
