"""A network saved and loaded is the same; a folder that is none, or wants to do harm, is refused in one line."""

import json
import math
import os
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import snnet_lightning as sn
from snnet_lightning.anchors import create_anchors
from snnet_lightning.description import Origin
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.metrics import Score
from snnet_lightning.evaluation.results import stitch_rows
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule
from tests.conftest import DIGITS
from tests.network.test_route_statistics import calibrated


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of ``digits_net`` instead."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("saved") / "net"
    SNNet(create_anchors(DIGITS, (1, 8, 8), 10), PairedRule()).save_pretrained(folder)
    return folder


def refusal(folder):
    with pytest.raises(InputError) as caught:
        sn.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@torch.no_grad()
def test_saved_loaded_and_saved_again(digits_net, tmp_path):
    rows = stitch_rows(stitch_costs(digits_net), [Score(90 + i / 7, 99.0, 0.1 * i, 540) for i in range(35)])
    digits_net.rows, digits_net.origin = rows, Origin(base_models=("a/b", None, "c/d.e"), measured_on="digits")
    digits_net.save_pretrained(tmp_path / "a")
    net, images = sn.load(tmp_path / "a"), torch.randn(3, 1, 8, 8)
    for stitch in digits_net.space:
        assert torch.equal(net(images, stitch.id), digits_net(images, stitch))
    assert net.description == digits_net.description
    assert net.rows == rows
    assert net.origin == digits_net.origin
    net.save_pretrained(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


@torch.no_grad()
def test_calibrated_statistics_come_along(batch_norm_net, tmp_path):
    net = calibrated(batch_norm_net(), [0, 3])
    net.save_pretrained(tmp_path / "net")
    loaded, images = sn.load(tmp_path / "net"), torch.randn(2, 1, 16, 16)
    assert loaded.route_statistics.calibrated == [0, 3]
    for stitch in net.space:
        assert torch.equal(loaded(images, stitch.id), net(images, stitch))


@torch.no_grad()
def test_batch_norms_of_a_training_stay_behind(batch_norm_net, tmp_path):
    net = batch_norm_net(split_batchnorm=True)
    net.save_pretrained(tmp_path / "a")
    loaded, images = sn.load(tmp_path / "a"), torch.randn(2, 1, 16, 16)
    assert not any("aux_bn" in name for name in load_file(tmp_path / "a" / "model.safetensors"))
    assert all(torch.equal(loaded(images, stitch.id), net(images, stitch)) for stitch in net.space)
    loaded.save_pretrained(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_costs_stand_there_where_nothing_was_measured(folder, digits_net):
    rows = [json.loads(line) for line in (folder / "stitches.jsonl").read_text().splitlines()]
    costs = stitch_costs(digits_net)
    assert [(row["name"], row["flops"]) for row in rows] == [(s.name, cost.flops) for s, cost in costs.items()]
    assert not any("acc1" in row for row in rows)


def test_a_folder_of_ours_is_replaced_and_another_is_not(folder, digits_net):
    (folder / "notes.txt").write_text("mine")
    digits_net.save_pretrained(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    other = folder.with_name("other")
    other.mkdir()
    (other / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds something else than a saved SN-Net"):
        digits_net.save_pretrained(other)
    assert contents(other) == {"config.json": b"{}"}


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_pickled_weights_are_refused(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "has no model.safetensors" in refusal(folder)
    (folder / "model.safetensors").write_bytes(pickle.dumps(Harm()))
    assert "no safetensors file" in refusal(folder)
    torch.save({"x": Harm()}, folder / "model.safetensors")
    assert "no safetensors file" in refusal(folder)
    assert not (folder / "harm").exists()


@pytest.mark.parametrize("name", ["os.system", "local-dir:/tmp", "hf-hub:someone/something", "snnet_lightning.load"])
def test_names_of_anything_but_models_are_refused(folder, name):
    anchors = json.loads((folder / "config.json").read_text())["anchors"]
    change(folder, anchors=[anchors[0] | {"name": name}, *anchors[1:]])
    assert "timm has no model" in refusal(folder)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"embed_dim": 500_000},
        pytest.param({"depth": 1_000_000}, marks=pytest.mark.slow),
        {"depth": 10**9},
        {"img_size": 10_000_000},
        {"mlp_ratio": 1e9},
    ],
    ids=lambda kwargs: next(iter(kwargs)),
)
def test_what_asks_for_a_terabyte_is_refused(folder, kwargs):
    anchors = json.loads((folder / "config.json").read_text())["anchors"]
    change(folder, anchors=[*anchors[:2], anchors[2] | {"kwargs": kwargs}])
    assert "describes a much larger network than its weights are of" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 99}, "format 99"),
        ({"_target_": "os.system"}, "_target_"),
        ({"anchors": []}, "anchors"),
        ({"stitch": {"space": "os.system"}}, "no stitch rule"),
        ({"num_classes": 7}, "does not fit the configured network: 6 of another shape"),
        ({"library_name": "timm"}, "library_name"),
        ({"origin": {"base_models": ["../../etc/passwd"]}}, "origin.base_models.0"),
        ({"origin": {"measured_on": 3}}, "origin.measured_on=3"),
        ({"origin": 3}, "origin"),
        ({"origin": {"base_models": ["a/b"]}}, "origin.base_models must be one an anchor, 3"),
        ({"origin": {"measured_on": "x\n# Evil\n<script>"}}, "origin.measured_on="),
        ({"origin": {"measured_on": "\x1b[31m"}}, "origin.measured_on="),
        ({"class_names": ["\ud800", *"123456789"]}, "surrogates not allowed"),
        ({"format": 10**400}, "format 1000"),
        (
            {"preprocessing": {"mean": [0, 0, 0], "std": [1], "interpolation": "bicubic", "crop_pct": 1}},
            "1 values, one",
        ),
        ({"export": {}}, "evaluate.py exported="),
    ],
)
def test_another_description_is_refused(folder, changes, why):
    change(folder, **changes)
    assert why in refusal(folder)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[1]", '"x"'])
def test_a_config_that_is_none(folder, content):
    (folder / "config.json").write_text(content)
    assert "config.json" in refusal(folder)


def test_a_path_that_leaves_the_folder(folder):
    """Files are read by their own names; what a link of that name points to is read as data, and is none."""
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/etc/passwd")
    assert "is no JSON" in refusal(folder)


def test_truncated_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in refusal(folder)


def test_an_anchor_without_blocks(folder):
    anchors = json.loads((folder / "config.json").read_text())["anchors"]
    change(folder, anchors=[anchors[0] | {"kwargs": {"depth": 0}}, *anchors[1:]])
    assert "leaves a stage without blocks" in refusal(folder)


@pytest.mark.parametrize(
    "changed", [{"acc1": 101}, {"flops": 10**400}, {"flops": -1}, {"images": -5}, {"latency_ms": 0}]
)
def test_rows_that_cannot_be(folder, changed):
    first, *others = (folder / "stitches.jsonl").read_text().splitlines()
    (folder / "stitches.jsonl").write_text("\n".join([json.dumps(json.loads(first) | changed), *others]))
    assert "line 1 is no" in refusal(folder)


@pytest.mark.parametrize(("key", "what"), [("acc1", "accuracies"), ("latency_ms", "latencies")])
def test_rows_of_which_only_some_were_measured(folder, key, what):
    first, *others = (folder / "stitches.jsonl").read_text().splitlines()
    (folder / "stitches.jsonl").write_text("\n".join([json.dumps(json.loads(first) | {key: 50.0}), *others]))
    assert f"some of its stitches have {what}, and others have none" in refusal(folder)


def test_rows_without_a_loss_are_saved_again(evaluated, tmp_path):
    """As a run leaves them whose loss is no number."""
    evaluated.rows = [replace(row, loss=math.nan) for row in evaluated.rows]
    evaluated.save_pretrained(tmp_path / "a")
    sn.load(tmp_path / "a").save_pretrained(tmp_path / "b")
    assert (tmp_path / "a" / "stitches.jsonl").read_bytes() == (tmp_path / "b" / "stitches.jsonl").read_bytes()
    assert "| 99.00 | – |" in (tmp_path / "b" / "README.md").read_text()


def test_exported_stitches_are_not_overwritten(folder, digits_net):
    change(folder, export={"format": "onnx"})
    with pytest.raises(InputError, match="holds something else than a saved SN-Net"):
        digits_net.save_pretrained(folder)


def test_into_a_folder_whose_parent_cannot_be_written(digits_net, tmp_path, monkeypatch):
    """Such as a mounted one: whatever is unfinished lies in the folder itself."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    before = os.stat(tmp_path).st_mtime_ns
    digits_net.save_pretrained(folder)
    assert os.stat(tmp_path).st_mtime_ns == before  # nothing was made or moved beside it
    assert len(sn.load(folder).space) == 35


def test_a_folder_that_is_not_finished_goes(digits_net, tmp_path, monkeypatch):
    monkeypatch.setattr("snnet_lightning.saved.save.write_card", None)  # which is written last
    with pytest.raises(TypeError):
        digits_net.save_pretrained(tmp_path / "a" / "b")
    assert not any(tmp_path.iterdir())


def test_stitches_of_another_network(folder):
    (folder / "stitches.jsonl").write_text('{"id": 0, "name": "x", "flops": 1, "params": 1}\n')
    assert "not those of the network" in refusal(folder)
    (folder / "stitches.jsonl").write_text('{"id": 0}\n')
    assert "line 1" in refusal(folder)
