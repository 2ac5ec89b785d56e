"""What typed words come to: the same in any order, every group's values its own, and no run that nobody meant."""

import inspect
import os
from functools import cache
from pathlib import Path

import lightning as L
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from snnet_lightning.command.experiment import require_experiment_of_anchors
from snnet_lightning.command.paths import make_paths_absolute
from snnet_lightning.errors import InputError

CONF = Path(__file__).parents[2] / "conf"
WEIGHTS = CONF.parent / "snnet_lightning" / "anchors" / "digits_weights"


def choices(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@cache
def composed_of(*words, script="train"):
    """As plain data, with interpolations as they are, and without Hydra's own node: to be read, not changed."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose(script, list(words)))


# Of the published training code: opt, lr, for how many images a step, weight decay, anchors' scale, warm-up epochs and
# rate, last rate, AGC, epochs, clipping.
RECIPES = {
    "digits": ("adamw", 2e-3, None, 0.05, 1.0, 2, 1e-6, 1e-6, None, 60, None),
    "deit_ti_s_b": ("adamw", 5e-5, 512, 0.05, 1.0, 5, 1e-7, 1e-6, None, 50, None),
    "swin_ti_s_b": ("adamw", 5e-4, 512, 0.05, 0.1, 5, 5e-7, 5e-6, None, 50, 5.0),
    "resnet18_50": ("sgd", 0.05, 1024, 2e-5, 0.1, 5, 1e-5, 0.0, None, 30, None),
    "resnet18_swin_ti": ("sgd", 0.05, 1024, 2e-5, 0.1, 5, 1e-5, 0.0, None, 30, None),
    "levit_192_256": ("adamw", 5e-5, 512, 0.025, 1.0, 5, 1e-7, 1e-6, 0.01, 100, None),
    "deit3_s_b": ("lamb", 3e-5, None, 0.02, 1.0, 5, 1e-7, 1e-5, None, 50, None),
    "deit3_s_l": ("lamb", 3e-5, None, 0.02, 1.0, 5, 1e-7, 1e-5, None, 50, None),
    "deit3_b_l": ("lamb", 3e-5, None, 0.02, 1.0, 5, 1e-7, 1e-5, None, 50, None),
}
# Of the published loops: whether the schedule counts steps, how late it is told, whether the cosine follows on the
# warm-up; what becomes of unused parts; whether positions and the stitching layers' biases decay; whether AGC spares
# classifiers.
TODAYS = (True, 0, False, "stand_still", False, False, True)
LOOPS = {
    "digits": TODAYS,
    "deit_ti_s_b": (False, 1, False, "move", True, False, True),
    "swin_ti_s_b": (True, 1, True, "move", True, True, True),
    "resnet18_50": (False, 0, False, "move", True, False, True),
    "resnet18_swin_ti": (False, 0, False, "move", True, False, True),
    "levit_192_256": (False, 1, False, "move", True, False, False),
    "deit3_s_b": (False, 1, False, "stand_still", True, False, True),
    "deit3_s_l": (False, 1, False, "stand_still", True, False, True),
    "deit3_b_l": (False, 1, False, "stand_still", True, False, True),
}
LOOP_NAMES = (
    "sched_on_updates", "sched_lag", "warmup_prefix", "unused", "decay_positions", "decay_stitch_biases",
    "agc_spares_classifiers",
)  # fmt: skip
NAMES = (
    "opt", "lr", "lr_base_batch", "weight_decay", "anchor_lr_scale", "warmup_epochs", "warmup_lr", "min_lr",
    "agc_clip_factor",
)  # fmt: skip


@pytest.mark.parametrize("experiment", list(RECIPES))
def test_the_recipe_of_an_experiment_is_the_published_one(experiment):
    cfg = composed_of(f"experiment={experiment}")
    optim, trainer = cfg["optim"], cfg["trainer"]
    found = [*map(optim.get, NAMES), trainer["max_epochs"], trainer["gradient_clip_val"]]
    assert found == list(RECIPES[experiment])
    assert tuple(map(optim.get, LOOP_NAMES)) == LOOPS[experiment]
    assert optim["scaled_rates"] == (["lr", "warmup_lr", "min_lr"] if experiment == "swin_ti_s_b" else ["lr"])
    assert optim["stitch_lr_scale"] == 1.0
    assert optim["opt_kwargs"] == {"sgd": {"momentum": 0.9}, "lamb": {"eps": 1e-8}}.get(optim["opt"], {})


@pytest.mark.parametrize("optim", ["adamw", "sgd", "lamb"])
def test_outside_of_experiments_the_loop_is_todays(optim):
    assert tuple(map(composed_of("experiment=none", f"optim={optim}")["optim"].get, LOOP_NAMES)) == TODAYS


def test_what_else_of_a_recipe_is_published():
    """Crops, weights, losses and networks that an experiment asks for beside its optimiser."""
    cfgs = {name: composed_of(f"experiment={name}") for name in LOOPS if name != "digits"}
    crops = {name: cfg["data"]["crop_pct"] for name, cfg in cfgs.items()}
    assert {name for name, crop in crops.items() if crop is None} == {
        "deit3_s_b",
        "deit3_s_l",
        "deit3_b_l",
    }  # their own: 1
    assert set(crops.values()) == {0.875, None}
    split = {name for name, cfg in cfgs.items() if cfg["net"]["split_batchnorm"]}
    assert split == {"resnet18_50", "resnet18_swin_ti"}
    for name, cfg in cfgs.items():
        erasing, augmentation = cfg["data"]["erasing"] or {}, cfg["data"]["augmentation"]
        assert erasing.get("num_splits", 0) == (2 if name in split else 0)
        assert augmentation.get("interpolation") == ("random" if name in split else None)
        assert augmentation.get("train_crop_mode") == ("src" if name.startswith("deit3") else None)
        assert cfg["net"]["drop_path"] == ("constant" if name.startswith("deit3") else "linear")
        assert (cfg.get("distillation") or {}).get("two_heads", False) == (name == "levit_192_256")
        assert cfg["trainer"]["precision"] == "32-true"
    assert cfgs["deit_ti_s_b"]["stitch"]["final_norm"] is False
    assert cfgs["resnet18_50"]["anchors"]["names"] == ["resnet18.tv_in1k", "resnet50.a1_in1k"]
    assert all(name.endswith(".ms_in22k_ft_in1k") for name in cfgs["swin_ti_s_b"]["anchors"]["names"])


def test_the_default_run_is_the_experiment_of_the_digits():
    assert composed_of() == composed_of("experiment=digits")


@pytest.mark.parametrize("optim", choices("optim"))
def test_an_optimiser_keeps_its_values_beside_any_experiment_and_anchors(optim):
    own = composed_of("experiment=none", f"optim={optim}")["optim"]
    for others in (["experiment=digits"], ["experiment=swin_ti_s_b"], ["experiment=deit3_b_l"], ["anchors=timm"]):
        assert composed_of(*others, f"optim={optim}")["optim"] == own


def test_the_rate_of_sgd_on_the_default_run():
    optim = composed_of("optim=sgd")["optim"]
    assert (optim["opt"], optim["lr"], optim["weight_decay"]) == ("sgd", 0.05, 2e-5)


@pytest.mark.parametrize(
    "words",
    [
        ("optim=sgd", "experiment=deit_ti_s_b", "data=imagefolder", "distillation=soft"),
        ("anchors=resnet18_50", "stitch=paired", "experiment=none", "optim=levit"),
        ("anchors=deit3_s_l", "net=snnet", "debug=default", "experiment=none"),
        ("experiment=deit3_s_b", "sampler=sandwich", "optim.lr=1", "strategy=ddp"),
    ],
    ids=" ".join,
)
def test_words_mean_the_same_in_any_order(words):
    orders = [words, words[::-1], words[1:] + words[:1], words[2:] + words[:2]]
    first, *others = (composed_of(*order) for order in orders)
    assert all(other == first for other in others)


def test_another_stitch_space_has_its_own_options_only():
    published = composed_of("experiment=none", "anchors=resnet18_50")
    assert published["stitch"]["stages"] == [1, 2]
    other = composed_of("experiment=none", "anchors=resnet18_50", "stitch=two_way")
    assert other["stitch"] == {"_target_": "snnet_lightning.stitch.TwoWayRule"}


@pytest.mark.parametrize("anchors", choices("anchors"))
def test_anchors_bring_nothing_but_a_network(anchors):
    """Anchors, a stitch space, stitching layers: one word evaluates a file."""
    plain = composed_of("experiment=none")
    chosen = composed_of("experiment=none", f"anchors={anchors}")
    assert {key for key in plain if plain[key] != chosen[key]} <= {"anchors", "stitch", "net"}
    evaluated = composed_of(f"anchors={anchors}", script="evaluate")
    assert evaluated["net"]["low_rank"] == (64 if anchors.startswith("deit3") else None)
    assert evaluated["stitch"] == chosen["stitch"]
    assert evaluated["anchors"] == chosen["anchors"] | {"weights": "checkpoint"}


def test_an_evaluation_inherits_no_run():
    plain, evaluated = composed_of("experiment=none"), composed_of(script="evaluate")
    assert evaluated["trainer"] == plain["trainer"]
    assert evaluated["optim"] == plain["optim"]


DIFFERENT = {
    "max_epochs", "devices", "precision", "check_val_every_n_epoch", "num_sanity_val_steps", "use_distributed_sampler",
    "log_every_n_steps", "deterministic", "enable_model_summary", "default_root_dir", "plugins",
}  # fmt: skip


def test_every_argument_of_the_trainer_is_there_with_lightnings_default():
    arguments = {name: p.default for name, p in inspect.signature(L.Trainer).parameters.items()}
    given = composed_of("experiment=none")["trainer"]
    assert given.keys() - {"_target_"} == arguments.keys() - {"callbacks", "logger"}
    assert {name for name in given.keys() - {"_target_"} if given[name] != arguments[name]} == DIFFERENT


def trainer_of(directory, *words):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", [*words, "trainer.accelerator=cpu", f"trainer.default_root_dir={directory}"])
    return instantiate(cfg.trainer, logger=False)


@pytest.mark.parametrize("strategy", choices("strategy"))
def test_a_trainer_is_made_with_every_strategy(tmp_path, strategy):
    trainer = trainer_of(tmp_path, f"strategy={strategy}")
    assert trainer.max_epochs == 60
    assert (type(trainer.strategy).__name__ == "DDPStrategy") == (strategy == "ddp")


def test_lightnings_options_need_no_plus(tmp_path):
    trainer = trainer_of(tmp_path, "trainer.max_steps=10", "trainer.overfit_batches=2", "trainer.profiler=simple")
    assert (trainer.max_steps, trainer.overfit_batches) == (10, 2)
    assert type(trainer.profiler).__name__ == "SimpleProfiler"
    assert trainer_of(tmp_path, "trainer.fast_dev_run=true").fast_dev_run is True
    trainer = trainer_of(tmp_path, "trainer.max_time=00:00:10:00", "trainer.val_check_interval=0.5")
    (timer,) = [c for c in trainer.callbacks if type(c).__name__ == "Timer"]
    assert timer.time_remaining() == 600


PUBLISHED = {"anchors": "deit_ti_s_b", "experiment": "digits"}


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        (["anchors=deit_ti_s_b"], PUBLISHED),
        (["seed=2", "anchors=deit_ti_s_b", "data=imagefolder", "data.root=/a b"], PUBLISHED),
        (["anchors=deit_ti_s_b", "+x.experiment=1"], PUBLISHED),
    ],
)
def test_other_anchors_under_the_default_experiment_are_refused(typed, chosen):
    says = r"^anchors=deit_ti_s_b would be trained as experiment=digits, the default: add experiment=none "
    with pytest.raises(InputError, match=says):
        require_experiment_of_anchors(typed, chosen)


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        ([], {"anchors": "digits", "experiment": "digits"}),
        (["anchors=digits", "optim=sgd"], {"anchors": "digits", "experiment": "digits"}),
        (["experiment=none", "anchors=deit_ti_s_b"], {"anchors": "deit_ti_s_b", "experiment": "none"}),
        (["~experiment", "anchors=deit_ti_s_b"], {"anchors": "deit_ti_s_b"}),
        (["anchors=deit_ti_s_b", "experiment=digits"], PUBLISHED),  # somebody meant it
        (["anchors=swin_ti_s_b", "experiment=deit_ti_s_b"], {"anchors": "swin_ti_s_b", "experiment": "deit_ti_s_b"}),
        (["anchors.names=[digits_tiny,digits_base]"], {"anchors": "digits", "experiment": "digits"}),
        ([], PUBLISHED),  # the defaults of somebody's own main configuration
    ],
)
def test_what_was_asked_for_is_not_refused(typed, chosen):
    require_experiment_of_anchors(typed, chosen)


@pytest.mark.parametrize("experiment", list(RECIPES))
def test_an_experiment_has_the_name_of_its_anchors(experiment):
    """On which the refusal relies."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", [f"experiment={experiment}"], return_hydra_config=True)
    assert cfg.hydra.runtime.choices.anchors == experiment


def test_the_refusal_as_a_user_sees_it(run_here, tmp_path):
    run = run_here("train.py", "anchors=deit_ti_s_b", "data=imagefolder", "data.root=x", directory=tmp_path)
    assert run.status == 1
    assert run.err.splitlines()[-1].startswith("error: anchors=deit_ti_s_b would be trained as experiment=digits")


@pytest.fixture
def paths() -> DictConfig:
    return OmegaConf.create(
        {"ckpt_path": "last", "data": {"root": "a/images"}, "anchors": {"weights": ["w.pth", "no.pth", "pretrained"]}}
    )


def test_paths_that_exist_become_absolute_and_words_stay(paths, tmp_path):
    for name in ("w.pth", "last", "pretrained"):  # files named as our words are
        (tmp_path / name).touch()
    (tmp_path / "a" / "images").mkdir(parents=True)
    make_paths_absolute(paths, str(tmp_path))
    assert paths.ckpt_path == "last"
    assert paths.data.root == f"{tmp_path}/a/images"
    assert paths.anchors.weights == [f"{tmp_path}/w.pth", "no.pth", "pretrained"]
    make_paths_absolute(paths, "/elsewhere")
    assert paths.data.root == f"{tmp_path}/a/images"


def relative(path):
    return os.path.relpath(path, CONF.parent)  # where run_here gives its commands


def test_relative_paths_hold_in_a_job_that_changes_its_directory(run_here, tmp_path):
    """hydra.job.chdir=true: weights, the run's directory, the checkpoint to go on from and to evaluate."""
    short = ["hydra.job.chdir=true", "trainer.limit_train_batches=1", "trainer.limit_test_batches=1"]
    weights = relative(WEIGHTS / "digits_tiny.safetensors")
    options = [*short, "trainer.max_epochs=1", f"anchors.weights=[{weights},pretrained,pretrained]"]
    trained = run_here("train.py", *options, directory=relative(tmp_path / "train"))
    assert trained.status == 0, trained.err
    checkpoint = relative(tmp_path / "train" / "checkpoints" / "last.ckpt")
    resumed = run_here("train.py", *short, "trainer.max_epochs=2", f"ckpt_path={checkpoint}", directory=tmp_path / "on")
    assert resumed.status == 0, resumed.err
    evaluated = run_here("evaluate.py", *short, f"ckpt_path={checkpoint}", directory=relative(tmp_path / "evaluate"))
    assert evaluated.status == 0, evaluated.err
    for name in ("train", "on", "evaluate"):
        assert (tmp_path / name / "stitches.jsonl").is_file()


def test_a_relative_data_root_in_a_job_that_changes_its_directory(run_here, tmp_path, imagenet_tree):
    words = ["hydra.job.chdir=true", "data=imagefolder", f"data.root={relative(imagenet_tree)}", "data.batch_size=4"]
    small = ["anchors.num_classes=3", "anchors.weights=random", "data.num_workers=0", "~callbacks.progress"]
    run = run_here("train.py", *words, *small, "trainer.max_epochs=0", directory=tmp_path)
    assert run.status == 0, run.err
    assert OmegaConf.load(tmp_path / "config.yaml").data.root == str(imagenet_tree)
