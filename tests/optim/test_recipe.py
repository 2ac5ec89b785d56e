"""The learning rate against its closed formula."""

from math import cos, pi

import pytest
import torch

from snnet_lightning.errors import InputError
from snnet_lightning.optim import OptimizerRecipe

LR, WARMUP_LR, MIN_LR = 1e-3, 1e-6, 1e-5
STEPS, PER_EPOCH, WARMUP = 100, 10, 25
SCALES = {"anchors": 0.1, "stitching_layers": 1.0}


@pytest.fixture
def recipe():
    return OptimizerRecipe(
        "adamw", LR, anchor_lr_scale=0.1, warmup_epochs=2.5, warmup_lr=WARMUP_LR, min_lr=MIN_LR,
        opt_kwargs={"betas": (0.8, 0.9)},
    )  # fmt: skip


def formula(step):
    if step < WARMUP:
        return WARMUP_LR + (LR - WARMUP_LR) * step / WARMUP
    return MIN_LR + (LR - MIN_LR) * (1 + cos(pi * step / STEPS)) / 2


def test_linear_warm_up_then_cosine_for_every_group(digits_net, recipe):
    optimizer, schedule = recipe.build(digits_net, STEPS, PER_EPOCH)
    for step in (0, 1, 12, 24, 25, 26, 50, 99, 100):
        if step:  # the first step needs no call
            schedule.step_update(step)
        for group in optimizer.param_groups:
            scale = SCALES[group["name"].removesuffix("_decay").removesuffix("_no")]
            assert group["lr"] == pytest.approx(scale * formula(step), rel=1e-9), (group["name"], step)
    assert formula(STEPS) == pytest.approx(MIN_LR)


def test_the_optimizer_is_timms_with_our_arguments(digits_net, recipe):
    optimizer, _ = recipe.build(digits_net, STEPS, PER_EPOCH)
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {tuple(g["betas"]) for g in optimizer.param_groups} == {(0.8, 0.9)}
    assert {g["name"]: g["weight_decay"] for g in optimizer.param_groups}["anchors_decay"] == 0.05


def test_a_run_shorter_than_the_warm_up_still_reaches_the_peak(digits_net, recipe):
    optimizer, schedule = recipe.build(digits_net, 10, PER_EPOCH)
    schedule.step_update(5)
    lr = {g["name"]: g["lr"] for g in optimizer.param_groups}["stitching_layers_decay"]
    assert lr == pytest.approx(WARMUP_LR + (LR - WARMUP_LR) / 2)


@pytest.mark.parametrize(("opt", "kwargs"), [("adamm", {}), ("adamw", {"momentun": 0.9})])
def test_unknown_optimizer_or_argument_is_refused(digits_net, opt, kwargs):
    with pytest.raises(InputError, match=rf"optim.opt={opt}: .*list_optimizers") as caught:
        OptimizerRecipe(opt, LR, opt_kwargs=kwargs).build(digits_net, STEPS, PER_EPOCH)
    assert "\n" not in str(caught.value)
