"""Weights: those that ship with the package, local files, and files that must not be loaded."""

import logging
import os

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from snnet_lightning.anchors import create_anchors
from snnet_lightning.anchors.digits import WEIGHTS, WIDTHS
from snnet_lightning.anchors.weights import load_weights
from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw
from snnet_lightning.errors import InputError


class MakesDirectory:
    """Unpickling this runs code: it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture(scope="module")
def trained():
    """A model with weights that no other call gives."""
    torch.manual_seed(7)
    return timm.create_model("digits_tiny")


def fresh(name="digits_tiny"):
    torch.manual_seed(8)
    return timm.create_model(name)


def assert_same_tensors(model, expected):
    state = model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)


def refusal(path, name="digits_tiny"):
    model = fresh(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_weights(model, str(path))
    assert_same_tensors(model, before)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_shipped_weights_reach_the_accuracy_they_are_said_to():
    test = DigitsDataset(train=False)
    images, classes = (
        torch.stack(column) for column in zip(*test.__getitems__([Draw(i) for i in range(540)]), strict=True)
    )
    found = []
    for anchor in create_anchors(list(WIDTHS), (1, 8, 8), 10):
        with torch.no_grad():
            found.append(100 * (anchor.eval()(images).argmax(1) == classes).double().mean().item())
        with safe_open(WEIGHTS / f"{anchor.name}.safetensors", "pt") as file:
            assert float(file.metadata()["acc1"]) == pytest.approx(found[-1], abs=0.01)
    tiny, small, base = found
    assert 50 < tiny < small < base
    assert base - tiny > 5
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 2_000_000


def test_sizes_of_the_digits_family():
    counts = [sum(p.numel() for p in timm.create_model(name).parameters()) for name in WIDTHS]
    assert [round(count, -4) for count in counts] == [20_000, 80_000, 300_000]


@pytest.mark.parametrize("wrap", [dict, lambda s: {"model": s}, lambda s: {"state_dict": s}])
def test_a_local_pth_file(tmp_path, trained, wrap):
    torch.save(wrap(trained.state_dict()), tmp_path / "w.pth")
    model = fresh()
    load_weights(model, str(tmp_path / "w.pth"))
    assert_same_tensors(model, trained.state_dict())


def test_a_local_safetensors_file_for_one_anchor_of_two(tmp_path, trained):
    path = tmp_path / "w.safetensors"
    save_file(trained.state_dict(), path)
    first, second = create_anchors(["digits_tiny"] * 2, (1, 8, 8), 10, ["pretrained", str(path)])
    assert_same_tensors(second.model, trained.state_dict())
    assert_same_tensors(first.model, timm.create_model("digits_tiny", pretrained=True).state_dict())


def test_old_formats_are_converted_as_timm_does(tmp_path, trained):
    """A first layer stored as a matrix, and the prefix that DistributedDataParallel leaves."""
    state = trained.state_dict()
    state["patch_embed.proj.weight"] = state["patch_embed.proj.weight"].flatten(1)
    torch.save({"model": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "w.pth")
    model = fresh()
    load_weights(model, str(tmp_path / "w.pth"))
    assert_same_tensors(model, trained.state_dict())


def test_a_missing_file(tmp_path):
    assert "no file" in refusal(tmp_path / "none.pth")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_file(tmp_path, trained, suffix, share):
    path = tmp_path / f"w.{suffix}"
    save = save_file if suffix == "safetensors" else torch.save
    save(trained.state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    message = refusal(path)
    assert str(path) in message
    assert "truncated" in message


def test_another_architecture_lists_what_differs(tmp_path, trained):
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    message = refusal(tmp_path / "w.pth", "digits_small")
    assert "cls_token is (1, 1, 16), not (1, 1, 32)" in message
    torch.save(timm.create_model("test_resnet", num_classes=10).state_dict(), tmp_path / "w.pth")
    message = refusal(tmp_path / "w.pth")
    assert "missing: cls_token" in message
    assert "unknown: conv1" in message


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {"epoch": 3}, "text"])
def test_something_else_than_weights(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    assert str(tmp_path / "w.pth") in refusal(tmp_path / "w.pth")


def test_code_in_a_file_is_not_run(tmp_path, trained):
    made = tmp_path / "made"
    torch.save(trained.state_dict() | {"x": MakesDirectory(str(made))}, tmp_path / "w.pth")
    assert "safely" in refusal(tmp_path / "w.pth")
    assert not made.exists()
    torch.load(tmp_path / "w.pth", weights_only=False)  # that it would have been
    assert made.exists()


def body_of(model):
    return {key: value for key, value in model.state_dict().items() if not key.startswith("head")}


def test_pretrained_bodies_get_new_heads_for_another_number_of_classes(caplog):
    with caplog.at_level(logging.INFO, "snnet_lightning"):
        anchors = create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 4)
    assert caplog.messages == [f"digits_{size} has a new, random head for 4 classes" for size in ("tiny", "small")]
    for anchor in anchors:
        with safe_open(WEIGHTS / f"{anchor.name}.safetensors", "pt") as file:
            shipped = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        assert anchor(torch.zeros(2, 1, 8, 8)).shape == (2, 4)
        body = body_of(anchor.model)
        assert body.keys() == shipped.keys() - {"head.weight", "head.bias"}
        assert all(torch.equal(body[key], shipped[key]) for key in body)


def test_a_local_file_of_another_number_of_classes(tmp_path, trained, caplog):
    path = str(tmp_path / "w.safetensors")
    save_file(trained.state_dict(), path)
    names, weights = ["digits_small", "digits_tiny"], ["pretrained", path]
    with caplog.at_level(logging.INFO, "snnet_lightning"):
        _, anchor = create_anchors(names, (1, 8, 8), 7, weights, new_heads=True)
        assert caplog.messages == [f"digits_{size} has a new, random head for 7 classes" for size in ("small", "tiny")]
        _, same = create_anchors(names, (1, 8, 8), 10, weights, new_heads=True)
    assert len(caplog.messages) == 2  # a head that fits is kept
    assert_same_tensors(same.model, trained.state_dict())
    assert anchor.model.head.weight.shape == (7, 16)
    body = body_of(anchor.model)
    assert all(torch.equal(body[key], trained.state_dict()[key]) for key in body)
    says = r"head.weight is \(10, 16\), not \(7, 16\).*; anchors.new_heads=true makes new heads$"
    with pytest.raises(InputError, match=says):
        create_anchors(names, (1, 8, 8), 7, weights)


def test_a_file_without_a_head_and_a_model_with_two(tmp_path):
    torch.manual_seed(0)
    source = timm.create_model("levit_128s", num_classes=5)
    state = {key: value for key, value in source.state_dict().items() if not key.startswith("head_dist.linear")}
    torch.save(state, tmp_path / "w.pth")
    model = timm.create_model("levit_128s", num_classes=3)
    own = {key: value.clone() for key, value in model.state_dict().items()}
    assert load_weights(model, str(tmp_path / "w.pth"), new_heads=True)
    for key, value in model.state_dict().items():
        new = key.startswith(("head.linear", "head_dist.linear"))
        assert torch.equal(value, own[key] if new else state[key]), key


def test_new_heads_help_no_other_body(tmp_path, trained):
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"cls_token is \(1, 1, 16\)") as caught:
        load_weights(fresh("digits_small"), str(tmp_path / "w.pth"), new_heads=True)
    assert "anchors.new_heads" not in str(caught.value)
