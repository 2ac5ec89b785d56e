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
    "sampler=single": "sampler.stitch: has to be said",
    "trainer=null": "trainer=null: must be default; .*~trainer",
    "data=null": "data=null: must be digits or imagefolder or imagenet",
    "experiment=3": "experiment=3: must be .* or none",
    "~data": "data: must name by data._target_",
    "training=null": "training: must name by training._target_",
    "~trainer._target_": "trainer: must name by trainer._target_",
    "+data._partial_=true": "data: must name by data._target_",
    "~optim": r"model.optim=\$\{optim\}: Interpolation key 'optim' not found",
    "~anchors": r"=\$\{anchors\.\w+\}: Interpolation key 'anchors\.\w+' not found",
    "seed=${nothing}": r"^error: seed=\$\{nothing\}: Interpolation key 'nothing' not found",
    "seed=${trainer}": "^error: trainer=.*: must be a whole number",
    "optim.opt_kwargs.beta=3": "nothing in optim.opt_kwargs yet .*; \\+optim.opt_kwargs.NAME=VALUE",
    "optim.opt_kwargs={beta:3}": "nothing in optim.opt_kwargs yet .*; \\+optim.opt_kwargs.NAME=VALUE",
    "+_target_=os.getcwd": "^error: seed: there is no such option",
    "trainer.strategy=5": "trainer: .*invalid strategy name",
    "callbacks.best_checkpoint.mode=middle": "callbacks.best_checkpoint: .*`mode` can be min, max",
    "trainer.accelerator=tpu": "trainer: .*torch_xla",
    "trainer.precision=transformer-engine": "trainer: .*transformer_engine",
    "max_epochs": "cannot read the override 'max_epochs': it must be key=value",
    "anchors.kwargs_each=[{depth:8},{},{}]": r"digits_tiny: its pretrained weights .*do not fit .*blocks\.6",
    "+anchors.kwargs.dept=8": "anchors.kwargs of digits_tiny: .*dept",
    "anchors.names=[digits_tiny,visformer_tiny]": "visformer_tiny is a Visformer.*supported.*ResNet.*VisionTransformer",
    "anchors.names=[digits_tiny,digits_bse]": "no model 'digits_bse'; did you mean digits_base",
    "anchors.weights=no/such.pth": "anchors.weights: no file 'no/such.pth'",
    "data=jpeg_digits data.augmentation.auto_augment=zzz": "data.augmentation: Unknown AA policy zzz",
    "data=jpeg_digits data.mixup={mixup_alpha:0,cutmix_alpha:0}": "data.mixup.mixup_alpha=0: must be above 0, or ",
    "+anchors.kwargs.norm_layer=zzz": "anchors.kwargs of digits_tiny: .*zzz",
    "+anchors.kwargs.drop_rate=2": "anchors.kwargs of digits_tiny: .*dropout probability",
    "anchors.weights=/etc/passwd": "/etc/passwd is not a readable weight file",
    "+optim.opt_kwargs.betas=[0.9]": "optim.opt=adamw: list index out of range",
    "trainer.devices=99 trainer.accelerator=cpu": "several processes need strategy=ddp",
    "trainer.num_nodes=2": "several processes need strategy=ddp",
    "trainer.strategy=ddp_spawn": "trainer.strategy=ddp_spawn: must be auto",
    "data.batch_size=2000": "data.batch_size=2000: must be 1 to 1257",
    "stitch.kernel_size=0": "stitch.kernel_size=0: must be above 0",
    "optim.opt=adamm": "optim.opt=adamm: .*list_optimizers",
    "data=imagefolder": "data.root: has to be said",
    "anchors=deit_ti_s_b": "anchors=deit_ti_s_b would be trained as experiment=digits, .*: add experiment=none",
    "init_from=no/such.ckpt": "init_from=no/such.ckpt: no such file",
    "ckpt_path=no/such.ckpt": "ckpt_path=no/such.ckpt: no such file",
}

VARIANTS = {  # of others, which are told in the same place
    "optim.opt_kwargs={beta:3}",
    "trainer.precision=transformer-engine",
    "trainer.devices=99 trainer.accelerator=cpu",
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
}


@pytest.mark.parametrize("overrides", SAMPLERS)
def test_samplers(run_here, tmp_path, overrides):
    assert_refused(run_here("train.py", *overrides.split(), directory=tmp_path), SAMPLERS[overrides])


@pytest.mark.parametrize(
    "override", [pytest.param(words, marks=pytest.mark.slow) if words in VARIANTS else words for words in TRAIN]
)
def test_training(run_here, tmp_path, override):
    assert_refused(run_here("train.py", *override.split(), directory=tmp_path), TRAIN[override])


def test_anchors_of_unequal_depth(run_here, tmp_path):
    overrides = ["anchors.weights=random", "anchors.kwargs_each=[{depth: 4},{},{}]"]
    says = "stitch=paired needs .*equal depth.* digits_tiny 4, digits_small 6, digits_base 6"
    assert_refused(run_here("train.py", *overrides, directory=tmp_path), says)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ("trainer.accelerator=cpu trainer.devices=0", r"^error: trainer: .*devices=0.*cpu"),
        pytest.param("trainer.accelerator=gpu trainer.devices=99", r"^error: trainer: .*gpu", marks=pytest.mark.slow),
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


def text(path: Path) -> str:
    path.write_text("not a checkpoint")
    return "not a checkpoint"


@pytest.mark.parametrize(
    ("option", "make"),
    [
        *(("evaluate.py ckpt_path", make) for make in (missing, truncated, foreign, text)),
        *((f"train.py {option}", foreign) for option in ("ckpt_path", "init_from")),
        *(
            pytest.param(f"train.py {option}", make, marks=pytest.mark.slow)
            for option in ("ckpt_path", "init_from")
            for make in (truncated, text)
        ),
    ],
)
def test_checkpoint(run_here, tmp_path, option, make):
    path = tmp_path / "x.ckpt"
    says = make(path)
    script, option = option.split()
    run = run_here(script, f"{option}={path}", "experiment=digits", directory=tmp_path / "run")
    assert_refused(run, f"{option}={path}.*{says}")


@pytest.mark.parametrize("content", [missing, text, pytest.param(truncated, marks=pytest.mark.slow)])
def test_a_checkpoint_that_lightning_would_take_up_by_itself(run_here, tmp_path, monkeypatch, content):
    """What it leaves in a run's directory for the next life of a SLURM job."""
    for name, value in {"NTASKS": "1", "JOB_NAME": "x", "JOB_ID": "1", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    path = tmp_path / "hpc_ckpt_1.ckpt"
    says = content(path)
    if not path.exists():
        path.mkdir()
        says = "no saved SN-Net, for it has no config.json"
    run = run_here("train.py", directory=tmp_path)
    assert run.status == 1
    (line,) = run.err.splitlines()
    assert re.search(f"{path}: .*{says}", line), line


def a_file(path: Path) -> str:
    path.write_text("a file")
    return "File exists|Not a directory"


def below_a_file(path: Path) -> str:
    path.parent.write_text("a file")
    return "Not a directory|File exists"


@pytest.mark.parametrize("make", [a_file, below_a_file])
def test_a_run_directory_that_cannot_be(run_here, tmp_path, make):
    path = tmp_path / "up" / "run" if make is below_a_file else tmp_path / "run"
    says = make(path)
    run = run_here("train.py", directory=path)
    assert run.status == 1
    (line,) = run.err.splitlines()
    assert re.match(f"error: .*{path if make is a_file else path.parent}.*: ({says})", line), line


def test_evaluation_without_a_checkpoint(run_here, tmp_path):
    assert_refused(run_here("evaluate.py", directory=tmp_path), "ckpt_path is missing.*accuracy=false")


@pytest.mark.parametrize("override", ["trainer.max_epoch=3", "anchors=deit"])
def test_in_a_process_of_its_own(start, tmp_path, override):
    assert_refused(start("train.py", override, directory=tmp_path), TRAIN[override])


@pytest.mark.slow
def test_a_checkpoint_in_a_process_of_its_own(start, tmp_path):
    path = tmp_path / "x.ckpt"
    says = foreign(path)
    assert_refused(start("evaluate.py", f"ckpt_path={path}", "anchors=digits", directory=tmp_path / "run"), says)


def test_a_sweep_and_its_configuration_at_once(run_here, tmp_path):
    assert_refused(run_here("train.py", "-m", "--cfg", "job", directory=tmp_path), "Only one of .*--multirun, --cfg")


def test_a_sweep_fails_with_its_jobs(run_here, tmp_path):
    sweep = ["-m", "anchors=deit_ti_s_b", f"hydra.sweep.dir={tmp_path}"]
    run = run_here("train.py", *sweep, directory=tmp_path)
    assert run.status == 1
    says = "error: anchors=deit_ti_s_b would be trained as experiment=digits"
    assert any(line.startswith(says) for line in run.err.splitlines())


def test_a_bug_of_ours_keeps_its_traceback(run_here, tmp_path, monkeypatch):
    def report_costs(*_):
        raise KeyError("a bug")

    monkeypatch.setattr("snnet_lightning.evaluation.report.report_costs", report_costs)
    with pytest.raises(KeyError, match="a bug") as raised:
        run_here("evaluate.py", "accuracy=false", directory=tmp_path)
    assert raised.traceback[-1].name == "report_costs"


def test_an_interrupt_while_it_starts(run_here, tmp_path):
    """Ctrl-C; here it comes from a callback of Hydra's, before the job begins."""
    interrupts = "+hydra.callbacks.x={_target_:tests.command_line.interrupts.Interrupts}"
    run = run_here("train.py", interrupts, directory=tmp_path)
    assert (run.status, run.err) == (130, "interrupted\n")


def test_an_interrupt_while_it_trains(run_here, tmp_path):
    interrupts = "+callbacks.x._target_=tests.command_line.interrupts.InterruptsTraining"
    run = run_here("train.py", "debug=default", interrupts, directory=tmp_path)
    assert (run.status, run.err.splitlines()[-1]) == (130, "interrupted")
