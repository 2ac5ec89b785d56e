"""What cannot be exported is refused in one line, and leaves nothing behind."""

import json
import sys

import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.export import export_stitches, load_exported
from tests.export.conftest import images_for


@pytest.fixture
def export(wide_net, tmp_path):
    def run(net=wide_net, **options):
        options = {"images": images_for(net, 2), "format": "pt2"} | options
        return export_stitches(net, [net.space[0]], tmp_path / "x", **options)

    return run


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"format": "onnx", "tolerance": 0.0}, "more than tolerance=0"),
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
    (folder / "stray").touch()
    export(overwrite=True)
    assert {path.name for path in folder.iterdir()} == {"config.json", "stitches.jsonl", "stitch_000.pt2"}
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
        load_exported(tmp_path / name)
    assert "\n" not in str(caught.value)
