"""The learning rate against its closed formula."""

import logging
from dataclasses import fields
from math import cos, pi
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from snnet_lightning.errors import InputError
from snnet_lightning.optim import OptimizerRecipe

CONF = Path(__file__).parents[2] / "conf" / "optim"
LR, WARMUP_LR, MIN_LR = 1e-3, 1e-6, 1e-5
STEPS, PER_EPOCH, WARMUP = 100, 10, 25
BATCH = 64
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
    optimizer, schedule = recipe.build(digits_net, STEPS, PER_EPOCH, BATCH)
    for step in (0, 1, 12, 24, 25, 26, 50, 99, 100):
        if step:  # the first step needs no call
            schedule.step_update(step)
        for group in optimizer.param_groups:
            scale = SCALES[group["name"].removesuffix("_decay").removesuffix("_no")]
            assert group["lr"] == pytest.approx(scale * formula(step), rel=1e-9), (group["name"], step)
    assert formula(STEPS) == pytest.approx(MIN_LR)


@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("on_updates", [False, True])
def test_schedules_of_steps_or_epochs_on_time_or_late_with_the_warm_up_in_the_cosine_or_before(
    digits_net, prefix, lag, on_updates
):
    """Of every step of a run of 10 epochs, 2 of them warm-up, by the rule in words."""
    rates = {"warmup_epochs": 2, "warmup_lr": WARMUP_LR, "min_lr": MIN_LR}
    recipe = OptimizerRecipe("sgd", LR, warmup_prefix=prefix, sched_lag=lag, sched_on_updates=on_updates, **rates)
    optimizer, schedule = recipe.build(digits_net, STEPS, PER_EPOCH, BATCH)
    total, warm = (STEPS, 20) if on_updates else (10, 2)
    for step in range(STEPS):
        if step:
            schedule.step_update(step)
        t = max(0, (step if on_updates else step // PER_EPOCH) - lag)
        share = (t - warm) / (total - warm) if prefix else t / total
        cosine = MIN_LR + (LR - MIN_LR) * (1 + cos(pi * share)) / 2
        expected = WARMUP_LR + (LR - WARMUP_LR) * t / warm if t < warm else cosine
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-12), step


def test_the_optimizer_is_timms_with_our_arguments(digits_net, recipe):
    optimizer, _ = recipe.build(digits_net, STEPS, PER_EPOCH, BATCH)
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {tuple(g["betas"]) for g in optimizer.param_groups} == {(0.8, 0.9)}
    assert {g["name"]: g["weight_decay"] for g in optimizer.param_groups}["anchors_decay"] == 0.05


def test_a_run_shorter_than_the_warm_up_still_reaches_the_peak(digits_net, recipe):
    optimizer, schedule = recipe.build(digits_net, 10, PER_EPOCH, BATCH)
    schedule.step_update(5)
    lr = {g["name"]: g["lr"] for g in optimizer.param_groups}["stitching_layers_decay"]
    assert lr == pytest.approx(WARMUP_LR + (LR - WARMUP_LR) / 2)


@pytest.mark.parametrize(("opt", "kwargs"), [("adamm", {}), ("adamw", {"momentun": 0.9})])
def test_unknown_optimizer_or_argument_is_refused(digits_net, opt, kwargs):
    with pytest.raises(InputError, match=rf"optim.opt={opt}: .*list_optimizers") as caught:
        OptimizerRecipe(opt, LR, opt_kwargs=kwargs).build(digits_net, STEPS, PER_EPOCH, BATCH)
    assert "\n" not in str(caught.value)


def first_middle_last(recipe, net, batch):
    """The stitching layers' rate, whose scale is 1, at the first step, right after the warm-up and at the end."""
    optimizer, schedule = recipe.build(net, STEPS, PER_EPOCH, batch)
    rates = [optimizer.param_groups[-1]["lr"]]
    for step in (WARMUP, STEPS):
        schedule.step_update(step)
        rates.append(optimizer.param_groups[-1]["lr"])
    return rates


@pytest.mark.parametrize(
    ("scaled", "factors"),
    [(["lr"], (1, 2, 1)), (["lr", "warmup_lr", "min_lr"], (2, 2, 2)), (["lr", "min_lr"], (1, 2, 2)), ([], (1, 1, 1))],
)
def test_named_rates_scale_linearly_with_the_global_batch(digits_net, scaled, factors):
    options = {"warmup_epochs": 2.5, "warmup_lr": WARMUP_LR, "min_lr": MIN_LR}
    recipe = OptimizerRecipe("adamw", LR, lr_base_batch=512, scaled_rates=scaled, **options)
    by_hand = [f * rate for f, rate in zip(factors, (WARMUP_LR, LR, MIN_LR), strict=True)]
    at_warm_up = by_hand[2] + (by_hand[1] - by_hand[2]) * (1 + cos(pi * WARMUP / STEPS)) / 2
    expected = [by_hand[0], at_warm_up, by_hand[2]]
    assert first_middle_last(recipe, digits_net, 1024) == pytest.approx(expected)


def test_without_a_base_batch_rates_are_as_they_are(digits_net, recipe):
    assert first_middle_last(recipe, digits_net, 64) == first_middle_last(recipe, digits_net, 1024)


@pytest.mark.parametrize(
    ("options", "batch", "says"),
    [
        ({"lr": 5e-5, "lr_base_batch": 512}, 1024, "learning rate 0.0001 = 5e-05 x 1024/512 (global batch 1024)"),
        ({"lr": 3e-5}, 512, "learning rate 3e-05, not scaled with the global batch 512"),
        ({"lr": 3e-5, "lr_base_batch": 64, "scaled_rates": ["min_lr"]}, 512,
         "learning rate 3e-05, not scaled with the global batch 512"),
    ],
)  # fmt: skip
def test_the_rule_is_logged(digits_net, caplog, options, batch, says):
    with caplog.at_level(logging.INFO, "snnet_lightning.optim"):
        OptimizerRecipe("adamw", **options).build(digits_net, STEPS, PER_EPOCH, batch)
    assert caplog.messages == [says]


@pytest.mark.parametrize("choice", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_configuration_builds_its_optimizer(digits_net, choice):
    words = ["optim.opt=lion", "optim.lr=1e-4"] if choice == "timm" else []
    with initialize_config_dir(str(CONF.parent), version_base="1.3"):
        cfg = compose("train", ["experiment=none", f"optim={choice}", *words]).optim
    assert cfg.keys() - {"_target_"} == {field.name for field in fields(OptimizerRecipe)}
    optimizer, _ = instantiate(cfg).build(digits_net, STEPS, PER_EPOCH, BATCH)
    assert type(optimizer).__name__.lower() == cfg.opt
    if cfg.opt == "sgd":
        assert {(g["momentum"], g["nesterov"]) for g in optimizer.param_groups} == {(0.9, True)}
