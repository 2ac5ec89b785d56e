"""The command export, and what evaluate.py says of its files."""

import json
from dataclasses import replace

import onnx
import pytest
import torch

import snnet_lightning as sn
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.export import load_exported
from tests.command_line.conftest import error_of, rows_in
from tests.saved.conftest import evaluated, folder, saved

__all__ = ["evaluated", "folder", "saved"]

SCRIPT = "snnet_lightning/export/__main__.py"
QUIET = ["callbacks.progress=null", "num_threads=1"]


@pytest.fixture
def export(run_here, folder, tmp_path):
    def run(*words):
        return run_here(SCRIPT, f"ckpt_path={folder}", *QUIET, *words, directory=tmp_path / "run")

    return run


@pytest.fixture(scope="module")
def digits():
    data = DigitsDataModule()
    data.setup()
    images, classes = zip(*data.test_set.__getitems__([Draw(i) for i in range(540)]), strict=True)
    return torch.stack(images), torch.stack(classes)


@torch.no_grad()
def test_the_front_is_exported_and_evaluated(export, evaluated, run_here, folder, tmp_path, digits):
    front = {0: 92.0, 7: 94.0}
    evaluated.rows = [replace(row, acc1=front.get(row.id, 50.0)) for row in evaluated.rows]
    evaluated.save_pretrained(folder)
    run = export("stitch=front", "data=digits")
    assert run.status == 0, run.err
    net, (images, classes) = sn.load(folder), digits
    front, best = [], 0.0
    for row in sorted(net.rows, key=lambda row: row.flops):
        if row.acc1 > best:
            best, front = row.acc1, [*front, row.id]
    found = rows_in(run.directory / "export")
    assert [row["id"] for row in found] == sorted(front)
    assert f"exporting {len(front)} of 35 stitches as onnx, fp32, opset 18" in run.out
    assert f"{len(front)} of {len(front)}: {net.space[max(front)].name} is stitch_{max(front):03d}.onnx" in run.out
    assert "top-1 agrees on 100 % of 64 images" in run.out
    graph = onnx.load(run.directory / "export" / found[1]["file"], load_external_data=False)
    told = {entry.key: entry.value for entry in graph.metadata_props}
    assert told["stitch"] == net.space[found[1]["id"]].name
    assert json.loads(told["class_names"])[3] == "the 3"

    again = run_here(
        "evaluate.py", f"exported={run.directory / 'export'}", "data=digits", *QUIET, directory=tmp_path / "again"
    )
    assert again.status == 0, again.err
    assert {"report.html", "pareto.png", "summary.json"} <= again.written()
    for row in rows_in(again.directory):
        right = (net(images, row["id"]).argmax(1) == classes).double().mean().item()
        assert row["acc1"] == pytest.approx(100 * right, abs=100 / 540)  # a tie may fall either way
        assert (row["flops"], row["images"]) == (net.rows[row["id"]].flops, 540)
    assert f" {net.rows[max(front)].acc1:.2f} " in again.out  # what was said of the network stands beside


@torch.no_grad()
def test_what_is_converted_is_measured(export, folder, digits, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # so that no name is folded
    run = export("stitch=[7]", "data=digits", "precision=int8", "quantization=static", "normalise=true")
    assert run.status == 0, run.err
    net, (images, classes) = sn.load(folder), digits
    found = rows_in(run.directory / "export")
    assert found == [
        row | {"file": f"stitch_00{row['id']}.onnx", "network_acc1": net.rows[row["id"]].acc1}
        for row in rows_in(run.directory)
    ]
    mean, std = (values[0] for values in (net.preprocessing.mean, net.preprocessing.std))
    for row in found:
        logits = load_exported(run.directory / "export" / row["file"])(images * std + mean)
        of_class = logits.gather(1, classes[:, None])
        as_high = (logits >= of_class).sum(1)  # of 8-bit values some are equal, and either may be the top one
        surely, at_most = (as_high == 1).sum().item(), (logits > of_class).any(1).logical_not().sum().item()
        assert 100 * surely / 540 <= row["acc1"] <= 100 * at_most / 540
        assert row["images"] == 540
    table = [line for line in run.out.splitlines() if "digits_tiny[:2] > digits_small[2:]" in line][-1]
    assert table.split()[-1] == f"{net.rows[7].acc1:.2f}"


def test_without_data(export, run_here, tmp_path):
    run = export('stitch="digits_tiny[:2] > digits_small[2:]"', "format=pt2")
    assert run.status == 0, run.err
    assert "compared with the network on noise; data=... compares on images" in run.out
    assert [row["file"] for row in rows_in(run.directory / "export")] == ["stitch_007.pt2"]
    again = run_here("evaluate.py", f"exported={run.directory / 'export'}", "data=digits", directory=tmp_path / "x")
    assert "can hold code, and is not run; export as format=onnx" in error_of(again)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["stitch=7", "format=tflite"], "format=tflite: must be onnx or pt2"),
        (["stitch=7", "opset=999"], "opset=999: onnx "),
        (["stitch=35"], "stitch=35: must be front, all, ids from 0 to 34, or names such as digits_tiny"),
        (["stitch=fronnt"], "stitch=fronnt: must be front, all, ids from 0 to 34"),
        pytest.param(["stitch=[]"], "stitch=[]: must be front, all, ids from 0 to 34", marks=pytest.mark.slow),
        (["stitch=7", "format=pt2", "precision=int8"], "precision=int8: format=pt2 is written in fp32 alone"),
        (["stitch=7", "precision=int8", "quantization=static"], "quantization=static finds ranges on training images"),
        (["stitch=7", "precision=int4"], "precision=int4: must be fp32, fp16 or int8"),
        (["stitch=7", "tolerance=0", "data=digits"], "digits_tiny[:2] > digits_small[2:]: its logits in "),
        (["stitch=7", "images=0"], "images=0: must be above 0"),
        (["stitch=7", "exported=x"], "exported=x is evaluated (evaluate.py)"),
        (["stitch=7", "net.low_rank=2"], "net.low_rank=2: the network that is exported is that of ckpt_path"),
        (["stitch=7", "stitch.final_norm=false"], "stitch.final_norm=false: the network that is exported is that"),
        (["stitch=[true]"], "stitches.0=true: must be a whole number or text"),
        (["stitch=7", "formt=onnx"], "the configuration has no key 'formt'; did you mean format"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input(export, words, why):
    run = export(*words)
    assert error_of(run).startswith(f"error: {why}")
    assert not (run.directory / "export").exists()


def test_no_accuracies_are_known(export, evaluated, folder):
    evaluated.rows = ()
    evaluated.save_pretrained(folder)
    assert "no accuracies are known of ckpt_path=" in error_of(export("stitch=front"))


def test_a_folder_that_is_there(export, folder, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "thesis.tex").write_text("years")
    assert "holds something else than exported stitches" in error_of(export("stitch=7", f"folder={there}"))
    assert [path.name for path in there.iterdir()] == ["thesis.tex"]
    assert "holds something else" in error_of(export("stitch=7", f"folder={folder}", "overwrite=true"))
    (there / "thesis.tex").unlink()
    assert export("stitch=7", f"folder={there}", "format=pt2").status == 0
    assert "overwrite=true replaces them" in error_of(export("stitch=8", f"folder={there}"))
    assert export("stitch=8", f"folder={there}", "format=pt2", "overwrite=true").status == 0
    assert {path.name for path in there.iterdir()} == {"config.json", "stitch_008.pt2", "stitches.jsonl"}


def test_what_evaluate_refuses(export, run_here, folder, tmp_path):
    there = tmp_path / "run" / "export"
    assert export("stitch=7").status == 0

    def refusal(*words):
        return error_of(run_here("evaluate.py", *QUIET, *words, directory=tmp_path / "evaluated"))

    assert "does not say which data it was trained on: add data=..." in refusal(f"exported={there}")
    assert "holds no exported stitches" in refusal(f"exported={folder}", "data=digits")
    assert "give one of them" in refusal(f"exported={there}", f"ckpt_path={folder}", "data=digits")
    assert "holds exported files, which evaluate.py exported=" in refusal(f"ckpt_path={there}", "data=digits")
    assert "no saved SN-Net" in refusal(f"exported={tmp_path / 'none'}", "data=digits")
    lines = (there / "stitches.jsonl").read_text()
    (there / "stitches.jsonl").write_text(lines.replace("stitch_007.onnx", "../../x.onnx"))
    assert "line 1 is no exported stitch" in refusal(f"exported={there}", "data=digits")
    (there / "stitches.jsonl").write_text(lines)
    (there / "weights.bin").write_bytes(b"")
    assert "stitch_007.onnx: onnxruntime cannot load it" in refusal(f"exported={there}", "data=digits")
