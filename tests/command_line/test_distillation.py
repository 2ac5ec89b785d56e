"""distillation=hard and soft as a user chooses them."""

import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from snnet_lightning.distillation import HardDistillation, SoftDistillation

CONF = Path(__file__).parents[2] / "conf"
SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_test_batches=1"]


def distillation_of(script, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose(script, [*overrides]).model.distillation)


@pytest.mark.parametrize("script", ["train", "evaluate"])
def test_what_a_choice_gives(script):
    assert distillation_of(script) is None
    hard = distillation_of(script, "distillation=hard")
    assert type(hard) is HardDistillation
    assert (hard.name, hard.weights, hard.alpha) == ("regnety_160.deit_in1k", "pretrained", 0.5)
    soft = distillation_of(script, "distillation=soft", "distillation.teacher=anchor", "distillation.alpha=0.2")
    assert type(soft) is SoftDistillation
    assert (soft.name, soft.weights, soft.alpha, soft.temperature) == ("anchor", "pretrained", 0.2, 1.0)


def test_debug_needs_no_published_teacher_unless_told_so():
    assert distillation_of("train", "debug=default") is None
    assert distillation_of("train", "distillation=soft", "debug=default").name == "regnety_160.deit_in1k"


@pytest.mark.parametrize(
    "options",
    [
        ["distillation=hard", "distillation.teacher=digits_base"],
        ["distillation=soft", "distillation.teacher=digits_small", "distillation.temperature=2"],
        ["distillation=soft", "distillation.teacher=anchor"],
    ],
    ids=" ".join,
)
def test_a_run(run_here, tmp_path, options):
    run = run_here("train.py", *options, *SHORT, directory=tmp_path)
    assert run.status == 0, run.err
    assert {"stitches.jsonl", "last.ckpt", "best.ckpt"} <= run.written()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["distillation=x"], "distillation=x: there is no such choice; there are hard, hard_two_heads, in_place, soft"),
        (["distillation=hard", "distillation.teacher=regnety_16"], "distillation.teacher: .*did you mean regnety_160"),
        (["distillation=hard"], "regnety_160.deit_in1k: its pretrained weights are for 1000 classes.* anchors have 10"),
        (
            ["distillation=hard", "distillation.teacher=digits_base", "distillation.weights=no/such.pth"],
            "distillation.weights: no file 'no/such.pth'",
        ),
        (
            ["distillation.alpha=0.1"],
            "no key 'distillation.alpha'; .*distillation=hard or hard_two_heads or in_place or soft",
        ),
        (
            ["distillation=hard", "distillation.temperature=2"],
            "no key 'distillation.temperature'; .*hard or hard_two_heads or in_place or soft",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused(run_here, tmp_path, options, says):
    run = run_here("train.py", *options, *SHORT, directory=tmp_path)
    assert run.status == 1
    line = run.err.splitlines()[-1]
    assert line.startswith("error: ")
    assert re.search(says, line), line
    assert not {"last.ckpt", "stitches.jsonl"} & run.written()
