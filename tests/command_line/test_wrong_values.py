"""Values that cannot be: the key as typed, what was given, and what would be right. No process is started for them."""

from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from snnet_lightning.command.explain import explain
from snnet_lightning.command.instantiate import check
from snnet_lightning.command.overrides import overrides_in

CONF = Path(__file__).parents[2] / "conf"
NUMBERS = {  # where a number belongs, and in words which
    "seed": "a whole number",
    "num_threads": "a whole number",
    "optim.lr": "a number",
    "optim.weight_decay": "a number",
    "optim.anchor_lr_scale": "a number",
    "optim.stitch_lr_scale": "a number",
    "optim.warmup_epochs": "a number",
    "optim.warmup_lr": "a number",
    "optim.min_lr": "a number",
    "optim.lr_base_batch": "a whole number",
    "optim.agc_clip_factor": "a number",
    "data.batch_size": "a whole number",
    "data.num_workers": "a whole number",
    "model.label_smoothing": "a number",
    "model.validation_stitches": "a whole number",
    "callbacks.initialise.samples": "a whole number",
    "callbacks.last_checkpoint.every_n_train_steps": "a whole number",
    "callbacks.continue_evaluation.every_seconds": "a number",
    "stitch.kernel_size": "a whole number",
    "stitch.stride": "a whole number",
    "net.low_rank": "a whole number",
    "anchors.num_classes": "a whole number",
    "trainer.max_epochs": "a whole number",
    "trainer.max_steps": "-1 or a whole number",
    "trainer.num_nodes": "a whole number",
    "trainer.accumulate_grad_batches": "a whole number",
    "trainer.check_val_every_n_epoch": "a whole number",
    "trainer.log_every_n_steps": "a whole number",
    "trainer.gradient_clip_val": "a number",
    "trainer.limit_train_batches": "a whole number or a number",
    "trainer.limit_val_batches": "a whole number or a number",
    "trainer.limit_test_batches": "a whole number or a number",
    "trainer.overfit_batches": "a whole number or a number",
}
ONE_OF_EACH_KIND = {right: key for key, right in NUMBERS.items()}.values()
WORDS = {"[1]": "[1]", "[]": "[]", "{a:1}": "{'a': 1}"}
NOT_NULL = ("seed", "optim.lr", "data.batch_size", "stitch.kernel_size", "trainer.accumulate_grad_batches")
BELOW = {
    "at least 0": [
        "seed=-1",
        "optim.lr=-1",
        "optim.weight_decay=-0.1",
        "optim.warmup_epochs=-1",
        "optim.warmup_lr=-0.5",
        "optim.min_lr=-1",
        "optim.anchor_lr_scale=-1",
        "optim.stitch_lr_scale=-2",
        "model.label_smoothing=-0.1",
        "model.validation_stitches=-1",
        "data.num_workers=-1",
        "callbacks.continue_evaluation.every_seconds=-1",
        "trainer.max_epochs=-1",
        "trainer.gradient_clip_val=-1",
        "trainer.limit_train_batches=-1",
        "trainer.overfit_batches=-1",
        "trainer.log_every_n_steps=-1",
    ],
    "above 0": [
        "num_threads=0",
        "data.batch_size=0",
        "data.batch_size=-3",
        "optim.lr_base_batch=0",
        "optim.agc_clip_factor=0",
        "stitch.kernel_size=0",
        "stitch.stride=-1",
        "net.low_rank=0",
        "anchors.num_classes=0",
        "callbacks.initialise.samples=0",
        "callbacks.last_checkpoint.every_n_train_steps=0",
        "trainer.accumulate_grad_batches=0",
        "trainer.check_val_every_n_epoch=0",
        "trainer.num_nodes=0",
    ],
    "at most 1": ["model.label_smoothing=2"],
    "below 4294967296": ["seed=4294967296"],
    "a finite number": ["optim.lr=nan", "optim.lr=inf", "trainer.gradient_clip_val=nan"],
}
OTHERS = {
    "optim.opt_kwargs=3": "optim.opt_kwargs=3: must be a mapping",
    "optim.scaled_rates=[lr,lrr]": "optim.scaled_rates.1=lrr: must be lr, warmup_lr or min_lr",
    "optim.scaled_rates=lr": "optim.scaled_rates=lr: must be a list",
    "stitch.pairs=some": "stitch.pairs=some: must be nearest or all",
    "stitch.final_norm=maybe": "stitch.final_norm=maybe: must be true or false",
    "stitch=staged stitch.stages=0": "stitch.stages=0: must be all_but_last or a list",
    "stitch=staged stitch.stages=[-1]": "stitch.stages.0=-1: must be at least 0",
    "anchors.names=[digits_tiny]": "anchors.names=['digits_tiny']: must be a list of at least 2",
    "anchors.names=digits_tiny": "anchors.names=digits_tiny: must be a list",
    "anchors.input_size=8": "anchors.input_size=8: must be a list",
    "anchors.input_size=[1,8,0]": "anchors.input_size.2=0: must be above 0",
    "anchors.input_size=[1,8,8,8]": "anchors.input_size=[1, 8, 8, 8]: must be a list of at most 3",
    "anchors.new_heads=perhaps": "anchors.new_heads=perhaps: must be true or false",
    "net.freeze_anchors=2": "net.freeze_anchors=2: must be true or false",
    "data.batch_size=true": "data.batch_size=true: must be a number",
    "+data.zzz=1": "data.zzz: there is no such option",
    "+trainer.zzz=1": "trainer.zzz: there is no such option",
    "data._target_=foo.bar": "data._target_=foo.bar: there is no such class or function",
    "sampler.per_rank=often": "sampler.per_rank=often: must be true or false",
    "sampler=flops_grouped sampler.gap=-1": "sampler.gap=-1: must be at least 0",
    "sampler=flops_grouped sampler.gap=wide": "sampler.gap=wide: must be a number",
    "sampler=sandwich sampler.random_stitches=-1": "sampler.random_stitches=-1: must be at least 0",
    "sampler=sandwich sampler.random_stitches=1.5": "sampler.random_stitches=1.5: must be a whole number",
    "sampler=importance sampler.decay=1": "sampler.decay=1: must be below 1",
    "sampler=importance sampler.temperature=0": "sampler.temperature=0: must be above 0",
    "sampler=importance sampler.warmup_draws=x": "sampler.warmup_draws=x: must be a whole number",
    "distillation=hard distillation.alpha=2": "distillation.alpha=2: must be at most 1",
    "distillation=soft distillation.temperature=0": "distillation.temperature=0: must be above 0",
    "ema=default callbacks.ema.decay=1.5": "callbacks.ema.decay=1.5: must be at most 1",
    "callbacks.initialise.method=magic": "callbacks.initialise.method=magic: must be least_squares, refined or random",
    "callbacks.initialise.steps=0": "callbacks.initialise.steps=0: must be above 0",
    "callbacks.initialise.lr=-1": "callbacks.initialise.lr=-1: must be above 0",
    "callbacks.lr_monitor.logging_interval=day": "callbacks.lr_monitor.logging_interval=day: must be step or epoch",
    "num_threads=10000": "num_threads=10000: must be at most 1024",
    "trainer.max_time={days:x}": "trainer.max_time.days=x: must be a whole number",
    "data.num_workers=99999": "data.num_workers=99999: must be at most 256",
    "net.low_rank=1e6": "net.low_rank=1000000.0: must be at most 4096",
    "anchors.kwargs=5": "anchors.kwargs=5: must be a mapping",
    "anchors.kwargs_each=[1,2,3]": "anchors.kwargs_each.0=1: must be a mapping",
    "anchors.aliases=[a,'',c]": "anchors.aliases.1=: must be text that fits ",
    "ckpt_path=": "ckpt_path=: must be text that is not empty",
    "init_from=": "init_from=: must be text that is not empty",
    "trainer.precision=fp8": "trainer.precision=fp8: must be 64, 32 or 16 or transformer-engine",
    "trainer.plugins=[3]": "trainer.plugins.0=3: must be a Precision",
    "trainer.deterministic=perhaps": "trainer.deterministic=perhaps: must be true or false or warn",
    "trainer.fast_dev_run=-1": "trainer.fast_dev_run=-1: must be ",
    "trainer.gradient_clip_algorithm=x": "trainer.gradient_clip_algorithm=x: must be norm or value",
    "ckpt_path=[x]": "ckpt_path=['x']: must be text",
    "init_from={a:1}": "init_from={'a': 1}: must be text",
    "optimized_metric=null": "optimized_metric=null: must be text",
    "data=jpeg_digits data.unreadable=ignore": "data.unreadable=ignore: must be skip or refuse",
    "data=jpeg_digits data.repeats=0": "data.repeats=0: must be above 0",
    "data=jpeg_digits data.mean=0.5": "data.mean=0.5: must be a list",
    "data=jpeg_digits data.crop_pct=big": "data.crop_pct=big: must be a number",
    "data=jpeg_digits data.crop_pct=50": "data.crop_pct=50: must be at most 1",
    "data=jpeg_digits data.crop_pct=1e-9": "data.crop_pct=1e-09: must be at least 0.05",
    "data=jpeg_digits data.interpolation=zzz": "data.interpolation=zzz: must be nearest, bilinear, bicubic, box",
    "data=jpeg_digits data.repeats=1e9": "data.repeats=1000000000.0: must be at most 100",
    "data=jpeg_digits +data.augmentation.zzz=1": "data.augmentation.zzz: there is no such option",
    "data=jpeg_digits +data.augmentation.mean=[1]": "data.augmentation.mean: there is no such option",
    "data=jpeg_digits +data.augmentation.scale=5": "data.augmentation.scale=5: must be a list",
    "data=jpeg_digits +data.augmentation.scale=[x,y]": "data.augmentation.scale.0=x: must be a number",
    "data=jpeg_digits +data.augmentation.hflip=7": "data.augmentation.hflip=7: must be at most 1",
    "data=jpeg_digits data.augmentation.auto_augment=[5]": "data.augmentation.auto_augment=[5]: must be text",
    "data=jpeg_digits data.augmentation.color_jitter=-1": "data.augmentation.color_jitter=-1: must be at least 0",
    "data=jpeg_digits data.erasing.probability=x": "data.erasing.probability=x: must be a number",
    "data=jpeg_digits data.erasing.mode=zzz": "data.erasing.mode=zzz: must be const, rand or pixel",
    "data=jpeg_digits +data.erasing.min_aspect=0": "data.erasing.min_aspect=0: must be above 0",
    "data=jpeg_digits +data.erasing.device=mars": "data.erasing.device: there is no such option",
    "data=jpeg_digits data.mixup.mixup_alpha=-1": "data.mixup.mixup_alpha=-1: must be at least 0",
    "data=jpeg_digits +data.mixup.mode=zzz": "data.mixup.mode=zzz: must be batch, pair or elem",
    "data=jpeg_digits +data.mixup.label_smoothing=0.3": "data.mixup.label_smoothing: there is no such option",
    "data=jpeg_digits data.erasing=0.3": "data.erasing=0.3: must be a mapping",
    "data=imagefolder data.root=null": "data.root=null: must be text",
    "logger.csv.save_dir=null": "logger.csv.save_dir=null: must be ",
    "logger=wandb logger.wandb.offline=x": "logger.wandb.offline=x: must be true or false",
}
NO_NUMBERS = {
    f"{key}={word}": f"{key}={shown}: must be {right}"
    for key, right in NUMBERS.items()
    for word, shown in WORDS.items()
}
CASES = {
    **{f"{key}=fast": f"{key}=fast: must be {right}" for key, right in NUMBERS.items()},
    **NO_NUMBERS,
    **{f"{key}=null": f"{key}=null: must be {NUMBERS[key]}" for key in NOT_NULL},
    **{words: f"{words}: must be {right}" for right, cases in BELOW.items() for words in cases},
    **OTHERS,
}


@pytest.fixture(scope="module", autouse=True)
def configuration_tree():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@cache
def composed(*words: str) -> DictConfig:
    cfg = compose("train", [*words, "hydra.runtime.output_dir=/nowhere"], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def configured(words: str) -> DictConfig:
    """What Hydra composes of the choices among these words, once for all that make the same, with the values set."""
    typed = overrides_in(words.split())
    choices = [override for override in typed if (CONF / override.key_or_group).is_dir()]
    cfg = deepcopy(composed(*(override.input_line for override in choices)))
    for override in typed:
        if override not in choices:
            OmegaConf.update(cfg, override.key_or_group, override.value(), force_add=override.is_add())
    return cfg


@pytest.mark.parametrize("words", ["optim.lr=[1]", "+data.zzz=1", "data=jpeg_digits +data.augmentation.scale=[x,y]"])
def test_values_are_set_as_hydra_does(words):
    assert configured(words) == composed(*words.split())


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, marks=pytest.mark.slow)
        if words in NO_NUMBERS and words.split("=")[0] not in ONE_OF_EACH_KIND
        else words
        for words in CASES
    ],
)
def test_wrong_values(words):
    cfg = configured(words)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is, this is about what is told of it
        check(cfg)
    told = explain(caught.value, cfg)
    assert told is not None
    assert told.startswith(CASES[words])
    assert "\n" not in told


@pytest.mark.parametrize(
    "words",
    [
        "",
        "callbacks.initialise.samples=1e3",
        "trainer.limit_train_batches=0",
        "trainer.limit_train_batches=1.0",
        "trainer.devices=auto",
        "trainer.devices=[0]",
        "trainer.max_epochs=null trainer.max_steps=10",
        "trainer.max_time=00:00:10:00",
        "trainer.precision=bf16-true",
        "trainer.precision=64",
        "trainer.deterministic=warn",
        "optim.lr=1e-3",
        "optim.lr=1",
        "+optim.opt_kwargs.betas=[0.9,0.95]",
        "data=imagefolder",  # what has to be said may not be needed
        "data=imagefolder data.root=2024",
        "data.num_workers=2",
        "data=jpeg_digits +data.augmentation.scale=[0.5,1] data.augmentation.color_jitter=[0.4,0.4,0.4]",
        "data=jpeg_digits data.erasing=null data.mixup=null data.augmentation=null",
        "data=jpeg_digits +data.mixup.cutmix_minmax=[0.2,0.8] +data.mixup.prob=0.5 data.crop_pct=0.875",
        "sampler=single sampler.stitch=3",
        "logger=[csv,wandb]",
        "num_threads=null",
        "+anchors.kwargs.drop_path_rate=0.1",
        "anchors.kwargs_each=[{depth:4},{},{}]",
        "stitch=staged stitch.stages=[1,2]",
    ],
)
def test_right_values(words):
    cfg = configured(words)
    before = OmegaConf.to_container(cfg)
    check(cfg)
    assert OmegaConf.to_container(cfg) == before
