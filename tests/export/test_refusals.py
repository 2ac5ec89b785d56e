"""What cannot be exported is refused in one line, and leaves nothing behind."""

import json
import os
import sys
import zipfile

import onnx
import pytest
import torch

from snnet_lightning.errors import InputError
from snnet_lightning.export import export_stitches, load_exported, read_exported
from tests.export.conftest import images_for


@pytest.fixture
def export(wide_net, tmp_path):
    def run(net=wide_net, **options):
        options = {"images": images_for(net, 2), "format": "pt2"} | options
        return export_stitches(net, [net.space[0]], tmp_path / "x", **options)

    return run


@pytest.fixture(scope="module")
def exported(wide_net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "x"
    export_stitches(wide_net, [wide_net.space[0]], folder, images=images_for(wide_net, 2), format="pt2")
    return folder


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"format": "onnx", "opset": 9}, "opset=9"),
        ({"format": "onnx", "opset": 999}, "opset=999: onnx"),
        ({"precision": "int8"}, "precision=int8: format=pt2 is written in fp32"),
        ({"format": "onnx", "precision": "int8", "quantization": "static"}, "quantization=static: needs images"),
    ],
    ids=lambda value: None if isinstance(value, str) else ", ".join(value),
)
def test_options(export, tmp_path, options, why):
    with pytest.raises(InputError, match=why) as caught:
        export(**options)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_a_normalisation_that_nobody_knows(export, digits_net):
    with pytest.raises(InputError, match="normalise=true: it is unknown"):
        export(digits_net, normalise=True)


@pytest.mark.parametrize("name", ["onnx", "onnxruntime", "onnxscript"])
def test_a_library_that_is_missing(export, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(InputError, match=rf"{name} is missing: pip install 'snnet_lightning\[export\]'"):
        export(format="onnx")
    assert not any(tmp_path.iterdir())


def test_a_folder_that_holds_something(export, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()  # empty, it is as good as none
    export()
    with pytest.raises(InputError, match="overwrite=true replaces them"):
        export()
    (folder / "thesis.tex").touch()
    for earlier in ("stitch_007.onnx", "weights.bin"):
        (folder / earlier).touch()
    export(overwrite=True)
    written = {"config.json", "stitches.jsonl", "stitch_000.pt2"}
    assert {path.name for path in folder.iterdir()} == written | {"thesis.tex"}
    config = json.loads((folder / "config.json").read_text())
    del config["export"]  # as a saved network has it
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="holds something else than exported stitches"):
        export(overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("earlier", [True, False], ids=["replacing", "new"])
def test_interrupted(export, tmp_path, earlier):
    def interrupt(*_):
        raise KeyboardInterrupt

    if earlier:
        export()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(KeyboardInterrupt):
        export(told=interrupt, overwrite=True)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} | {"x": 0} == before | {"x": 0}
    assert any(tmp_path.iterdir()) == earlier


@pytest.mark.parametrize("name", ["a.onnx", "a.pt2", "a.txt", "none.onnx"])
def test_files_that_are_no_stitches(tmp_path, name):
    if not name.startswith("none"):
        (tmp_path / name).write_text("text")
    with pytest.raises(InputError, match=name) as caught:
        load_exported(tmp_path / name, trusted=True)
    assert "\n" not in str(caught.value)


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_a_program_that_holds_code_is_not_run(export, tmp_path, monkeypatch):
    """PyTorch would run it on loading; so no program is loaded unless it is said to be trusted."""
    monkeypatch.chdir(tmp_path)
    export()
    path = tmp_path / "x" / "stitch_000.pt2"
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
    torch.save({"x": Harm()}, "harm.pt")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write("harm.pt", f"{root}/data/weights/model.pt")
    with pytest.raises(InputError, match="can hold code, and is not run"):
        load_exported(path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("images", "logits"), [([], ["b", 10]), (["b", 1, 8, 8], ["b", 10, 2]), (["b", 64], ["b", 10])], ids=str
)
def test_graphs_that_are_no_stitches(tmp_path, images, logits):
    kind = onnx.TensorProto.FLOAT
    inputs = [onnx.helper.make_tensor_value_info("images", kind, images)] if images else []
    outputs = [onnx.helper.make_tensor_value_info("logits", kind, logits)]
    value = onnx.helper.make_tensor("v", kind, [1] * len(logits), [0.0])
    nodes = [onnx.helper.make_node("Constant", [], ["logits"], value=value)]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", inputs, outputs), ir_version=8)
    onnx.helper.set_model_props(model, {"stitch": "x"})
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(InputError, match=r"a\.onnx: ") as caught:
        load_exported(tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"network_acc1": 10**400},
        {"network_acc1": float("nan")},
        {"network_acc1": "x"},
        {"acc1": -1},
        {"flops": 10**400},
        {"images": -5},
        {"name": "\x1b[31mred"},
        {"name": "a\nb"},
        {"file": "/etc/passwd"},
        {"file": "../x/stitch_000.pt2"},
        {"file": 3},
        {"more": 1},
    ],
    ids=str,
)
def test_rows_that_are_none(exported, change):
    path = exported / "stitches.jsonl"
    before = path.read_text()
    assert len(read_exported(exported).files) == 1
    path.write_text(json.dumps(json.loads(before) | change))
    with pytest.raises(InputError, match="line 1 is no exported stitch"):
        read_exported(exported)
    path.write_bytes(b"\xff\xfe{}\n")
    with pytest.raises(InputError, match="line 1 is no exported stitch"):
        read_exported(exported)
    path.write_text(before)
