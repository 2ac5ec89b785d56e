"""What a checkpoint says of its network and data, what is typed beside it, and what conf/ says meanwhile."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from snnet_lightning.command.parts import create_datamodule
from snnet_lightning.command.recall import recalled
from snnet_lightning.errors import InputError

ROOT = Path(__file__).parents[2]
SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_test_batches=2"]
OTHER = ["stitch.kernel_size=1", "stitch.final_norm=false", "net.low_rank=2", "data.batch_size=60"]


def succeeded(run):
    assert run.status == 0, run.err
    return run


@pytest.fixture(scope="module")
def trained(run_here, tmp_path_factory):
    return succeeded(run_here("train.py", *SHORT, *OTHER, directory=tmp_path_factory.mktemp("trained")))


@pytest.fixture
def checkpoint(trained):
    return trained.directory / "checkpoints" / "last.ckpt"


@pytest.fixture
def changed(checkpoint, tmp_path):
    """The checkpoint with some of its content changed, but for what only a training that goes on needs."""

    def make(change):
        content = torch.load(checkpoint, weights_only=True, mmap=True)
        del content["optimizer_states"]
        change(content)
        torch.save(content, tmp_path / "changed.ckpt")
        return tmp_path / "changed.ckpt"

    return make


def composed(*words, option="ckpt_path", name="evaluate"):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"), recalled(words, option):
        cfg = compose(name, [*words, "hydra.runtime.output_dir=x"], return_hydra_config=True)
    return cfg


def test_network_and_data_are_those_of_the_checkpoint(checkpoint):
    cfg = composed(f"ckpt_path={checkpoint}")
    assert cfg.recalled_from == str(checkpoint)
    stitch = OmegaConf.to_container(cfg.stitch)
    assert stitch.pop("_target_").endswith("PairedRule")
    assert stitch == {"kernel_size": 1, "stride": 1, "pairs": "nearest", "final_norm": False}
    assert cfg.net.low_rank == 2
    assert list(cfg.anchors.names) == ["digits_tiny", "digits_small", "digits_base"]
    assert (cfg.anchors.weights, cfg.data.batch_size) == ("checkpoint", 60)
    assert cfg.trainer.limit_test_batches is None  # how it was trained and tested is not recalled


def test_what_is_typed_wins(checkpoint):
    words = [
        f"ckpt_path={checkpoint}",
        "stitch.stride=2",
        "data.batch_size=7",
        "net.low_rank=null",
        "anchors.num_classes=3",
    ]
    for typed in (words, words[::-1]):
        cfg = composed(*typed)
        assert (cfg.stitch.stride, cfg.stitch.kernel_size) == (2, 1)
        assert (cfg.data.batch_size, cfg.net.low_rank, cfg.anchors.num_classes) == (7, None, 3)
    cfg = composed(f"ckpt_path={checkpoint}", "stitch=staged", "data=imagefolder", "data.root=/x")
    assert cfg.stitch.stages == "all_but_last"
    assert (cfg.data.root, cfg.data.batch_size, list(cfg.data.input_size)) == ("/x", 128, [1, 8, 8])
    shrunk = composed(f"ckpt_path={checkpoint}", "debug=default")
    assert (list(shrunk.anchors.input_size), shrunk.anchors.weights) == ([1, 8, 8], "checkpoint")
    assert shrunk.data._target_.endswith("JpegDigitsDataModule")


def test_a_new_training_takes_the_network_and_not_the_data(checkpoint):
    cfg = composed(f"init_from={checkpoint}", option="init_from", name="train")
    assert (cfg.stitch.kernel_size, cfg.net.low_rank, cfg.anchors.weights) == (1, 2, "checkpoint")
    assert cfg.data.batch_size == 64
    assert composed(name="train").recalled_from is None  # nothing is left for who composes next


def test_the_same_bytes_whatever_conf_says(trained, checkpoint, run_here, tmp_path):
    """Every default of network and data changed; from another folder, too."""
    one = "num_threads=1"  # more would add up in another order, and this process has had other tests
    first = succeeded(run_here("evaluate.py", f"ckpt_path={checkpoint}", one, directory=tmp_path / "first"))
    conf = tmp_path / "conf"
    shutil.copytree(ROOT / "conf", conf)
    changes = {
        "stitch/paired": {"kernel_size": 3, "stride": 2, "pairs": "all", "final_norm": True},
        "data/digits": {"batch_size": 33},
        "net/snnet": {"low_rank": 5},
    }
    for name, change in changes.items():
        path = conf / f"{name}.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    for path in (conf / "anchors").glob("*.yaml"):
        text = path.read_text().replace("digits_tiny", "digits_base").replace("kwargs: {}", "kwargs: {depth: 3}")
        path.write_text(text.replace("num_classes: 10", "num_classes: 7"))
    words = ["--config-path", str(conf), f"ckpt_path={checkpoint}", one]
    second = succeeded(run_here("evaluate.py", *words, directory=tmp_path / "second"))
    rows = (first.directory / "stitches.jsonl").read_bytes()
    assert (second.directory / "stitches.jsonl").read_bytes() == rows
    assert len(rows.splitlines()) == 3 + 2 * 6
    assert {json.loads(row)["images"] for row in rows.splitlines()} == {540}


@pytest.mark.slow
def test_a_sweep_of_evaluations_recalls_too(trained, checkpoint, run_here, tmp_path):
    """Else the weights would not fit."""
    words = ["-m", f"ckpt_path={checkpoint}", "trainer.limit_test_batches=2", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    succeeded(run_here("evaluate.py", *words, directory=tmp_path / "run"))
    found, expected = (
        [json.loads(line) for line in (directory / "stitches.jsonl").read_text().splitlines()]
        for directory in (tmp_path / "sweep" / "0", trained.directory)
    )
    for row, same in zip(found, expected, strict=True):
        assert row == same | {"loss": pytest.approx(same["loss"], rel=1e-6)}


def test_another_network_than_that_of_the_weights(checkpoint, run_here, tmp_path):
    run = run_here("evaluate.py", f"ckpt_path={checkpoint}", "stitch.kernel_size=2", directory=tmp_path)
    assert run.status == 1
    assert f"error: ckpt_path={checkpoint}: does not fit the configured network: " in run.err


def test_weights_of_another_checkpoint_start_a_new_training(checkpoint, run_here, tmp_path):
    start = [f"init_from={checkpoint}", "experiment=digits", "trainer.max_epochs=0", "trainer.limit_test_batches=2"]
    run = succeeded(run_here("train.py", *start, "data.batch_size=60", directory=tmp_path / "run"))
    trained = checkpoint.parents[1] / "stitches.jsonl"
    again = [json.loads(line) for line in (run.directory / "stitches.jsonl").read_text().splitlines()]
    for row, expected in zip(again, map(json.loads, trained.read_text().splitlines()), strict=True):
        assert row == expected | {"loss": pytest.approx(expected["loss"], rel=1e-6)}
    goes_on = succeeded(run_here("train.py", *start, "data.batch_size=60", "ckpt_path=last", directory=tmp_path / "on"))
    assert (goes_on.directory / "stitches.jsonl").read_bytes() == (run.directory / "stitches.jsonl").read_bytes()
    both = run_here("train.py", *start, f"ckpt_path={checkpoint}", directory=tmp_path / "both")
    assert both.status == 1
    assert "starts a new training" in both.err
    assert "goes on with one: give one of them" in both.err
    wrong = run_here("evaluate.py", f"init_from={checkpoint}", directory=tmp_path / "wrong")
    assert wrong.status == 1
    assert f"starts a training (train.py); ckpt_path={checkpoint} evaluates it" in wrong.err


def test_an_anchor_out_of_a_checkpoint(checkpoint, run_here, tmp_path):
    words = [f"anchors.weights={checkpoint}", "anchors.names=[digits_small,digits_base]", "trainer.max_epochs=0"]
    run = succeeded(
        run_here("train.py", *words, "trainer.limit_test_batches=2", "data.batch_size=60", directory=tmp_path)
    )
    expected = [json.loads(line) for line in (checkpoint.parents[1] / "stitches.jsonl").read_text().splitlines()]
    found = [json.loads(line) for line in (run.directory / "stitches.jsonl").read_text().splitlines()]
    for row, anchor in zip(found[:2], expected[1:3], strict=True):
        assert row["name"] == anchor["name"]
        assert row["acc1"] == anchor["acc1"]
        assert row["loss"] == pytest.approx(anchor["loss"], rel=1e-6)


def of_version_0_1(content):
    del content["description"]
    content["overrides"] = ["stitch.kernel_size=1", "+data={_target_:os.system,command:touch /tmp/x}"]


def test_a_checkpoint_of_version_0_1(changed, run_here, tmp_path):
    path = changed(of_version_0_1)
    run = run_here("evaluate.py", f"ckpt_path={path}", directory=tmp_path / "plain")
    assert run.status == 1
    assert "version 0.1 does not describe its network (trained with stitch.kernel_size=1" in run.err
    succeeded(run_here("evaluate.py", f"ckpt_path={path}", "anchors=digits", *OTHER, directory=tmp_path / "typed"))


PAYLOAD = "${oc.create:{_target_:torch.utils.collect_env.run,command:'touch MADE'}}"
CODE = {"_target_": "torch.utils.collect_env.run", "command": "touch MADE"}
HOSTILE = {
    "a space": lambda c: c["description"].update(stitch=CODE),
    "an option of a space": lambda c: c["description"]["stitch"].update(pairs=CODE),
    "an anchor's arguments": lambda c: c["description"]["anchors"][0].update(kwargs={"norm_layer": CODE}),
    "a reference": lambda c: c["description"]["anchors"][0].update(kwargs={"norm_layer": "${oc.env:HOME}"}),
    "an anchor's name": lambda c: c["description"]["anchors"][0].update(name="local-dir:/tmp"),
    "preprocessing": lambda c: c["description"].update(preprocessing=CODE),
    "data": lambda c: c["datamodule_hyper_parameters"].update(batch_size=CODE),
    "data by address": lambda c: (
        c.update(ImageDataModule=c.pop("DigitsDataModule")),
        c.update(datamodule_hyper_parameters={"root": "pipe:touch MADE #", "reader": "wds/", "batch_size": 2}),
    ),
    "shards whose list lies beside them": lambda c: (
        c.update(ImageDataModule=c.pop("DigitsDataModule")),
        c.update(datamodule_hyper_parameters={"root": "", "reader": "wds/", "val_split": "val", "batch_size": 2}),
    ),
    "a data set's name": lambda c: (
        c.update(ImageDataModule=c.pop("DigitsDataModule")),
        c.update(datamodule_hyper_parameters={"root": "x", "reader": "hfds/some/script", "batch_size": 2}),
    ),
}


def leaves(data, path=()):
    """The place of every text in plain data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from [(*path, key)] if isinstance(value, str) else leaves(value, (*path, key))


@pytest.mark.parametrize("text", [PAYLOAD, "???", pytest.param("${oc.env:HOME}", marks=pytest.mark.slow)])
def test_no_text_in_a_file_is_resolved(checkpoint, changed, text):
    """A reference to what would run a command, in the place of every text that goes into a configuration."""
    whole = torch.load(checkpoint, weights_only=True)
    keys = ("description", "datamodule_hyper_parameters")
    places = [*leaves({key: whole[key] for key in keys}), ("datamodule_hyper_parameters", "input_size")]
    assert len(places) >= 20
    for *above, last in places:

        def plant(content, above=above, last=last):
            for key in above:
                content = content[key]
            content[last] = text

        with pytest.raises(InputError, match="ckpt_path="):
            composed(f"ckpt_path={changed(plant)}")
    assert not (ROOT / "MADE").exists()


@pytest.mark.parametrize("place", HOSTILE)
def test_nothing_in_a_file_is_called(changed, run_here, tmp_path, place):
    path = changed(HOSTILE[place])
    run = run_here("evaluate.py", f"ckpt_path={path}", directory=tmp_path / "run")
    assert run.status == 1
    assert run.err.startswith(f"error: ckpt_path={path}: ") or "timm has no model" in run.err
    assert "Traceback" not in run.err
    assert not (ROOT / "MADE").exists()


@pytest.mark.parametrize("option", ["ckpt_path=last", "init_from={}", "anchors.weights={}"])
@pytest.mark.parametrize("place", ["a space", "an anchor's arguments"])
def test_nothing_in_a_file_is_called_in_training(changed, run_here, tmp_path, option, place):
    path = changed(HOSTILE[place])
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    shutil.copy(path, tmp_path / "run" / "checkpoints" / "last.ckpt")
    run = run_here("train.py", option.format(path), "experiment=digits", directory=tmp_path / "run")
    assert run.status == 1
    (line,) = run.err.splitlines()
    assert "holds no description of an SN-Net" in line
    assert not (ROOT / "MADE").exists()


def test_data_that_are_not_known_here(changed):
    def foreign(content):
        del content["DigitsDataModule"]

    path = changed(foreign)
    with pytest.raises(InputError, match="does not say which data it was trained on: add data="):
        create_datamodule(composed(f"ckpt_path={path}"))
    assert composed(f"ckpt_path={path}", "data=digits").data.batch_size == 64
    assert composed(f"ckpt_path={path}", "accuracy=false").stitch.kernel_size == 1


def test_the_folder_of_a_run_stands_for_its_checkpoint(trained, checkpoint, run_here, tmp_path):
    """Network and weights are the same; the data are not in it."""
    folder, one = trained.directory / "snnet", "num_threads=1"
    with pytest.raises(InputError, match=r"snnet: does not say which data it was trained on: add data=\.\.\."):
        create_datamodule(composed(f"ckpt_path={folder}"))
    words = ["trainer.limit_test_batches=2", one]
    first = succeeded(run_here("evaluate.py", f"ckpt_path={checkpoint}", *words, directory=tmp_path / "a"))
    again = succeeded(
        run_here(
            "evaluate.py", f"ckpt_path={folder}", "data=digits", "data.batch_size=60", *words, directory=tmp_path / "b"
        )
    )
    assert (first.directory / "stitches.jsonl").read_bytes() == (again.directory / "stitches.jsonl").read_bytes()
    network = {path.name: path.read_bytes() for path in (first.directory / "snnet").iterdir()}
    assert network == {path.name: path.read_bytes() for path in (again.directory / "snnet").iterdir()}
    started = composed(f"init_from={folder}", option="init_from", name="train")
    assert (started.stitch.kernel_size, started.net.low_rank, started.anchors.weights) == (1, 2, "checkpoint")
    refused = run_here("train.py", f"ckpt_path={folder}", directory=tmp_path / "c")
    assert refused.status == 1
    assert "init_from=" in refused.err


def test_images_that_would_be_written_are_written_in_the_run(changed):
    def elsewhere(content):
        content["JpegDigitsDataModule"] = content.pop("DigitsDataModule")
        content["datamodule_hyper_parameters"] = {"root": "/some/where", "batch_size": 4}

    data = OmegaConf.to_container(composed(f"ckpt_path={changed(elsewhere)}").data, resolve=False)
    assert data["root"] == "${hydra:runtime.output_dir}/jpeg_digits"


def test_plain_settings_do_not_change_the_data(checkpoint):
    assert composed(f"ckpt_path={checkpoint}", "experiment=none").data.batch_size == 60


def test_values_of_data_where_the_file_says_none(run_here, trained, tmp_path):
    folder = f"ckpt_path={trained.directory / 'snnet'}"  # which can be given to others, without the data
    run = run_here("evaluate.py", folder, "data.num_workers=0", directory=tmp_path)
    says = f"error: {folder}: does not say which data it was trained on: add data=...\n"
    assert (run.status, run.err) == (1, says)
