"""python -m snnet_lightning.latency, and budgets in milliseconds on the other command lines."""

import json

import pytest

import snnet_lightning as sn
from tests.command_line.conftest import error_of, rows_in
from tests.saved.conftest import evaluated, folder, saved

__all__ = ["evaluated", "folder", "saved"]

SCRIPT = "snnet_lightning/latency/__main__.py"
QUICK = ["num_threads=1", "rounds=4", "held_out=4", "most_error=1000"]


@pytest.fixture
def timed(run_here, folder, tmp_path):
    run = run_here(SCRIPT, f"ckpt_path={folder}", "batch=[1,4]", *QUICK, directory=tmp_path / "timed")
    assert run.status == 0, run.err
    return run


def test_without_weights(run_here, tmp_path):
    run = run_here(SCRIPT, "anchors=digits", *QUICK, directory=tmp_path / "run")
    assert run.status == 0, run.err
    told = json.loads((tmp_path / "run" / "latency.json").read_text())
    assert (told["threads"], told["precision"], [b["batch"] for b in told["batches"]]) == (1, "fp32", [1])
    measured = {stitch["id"]: stitch["ms"] for stitch in told["batches"][0]["stitches"]}
    assert {row["id"]: row["latency_ms"] for row in rows_in(tmp_path / "run")} == measured
    assert "acc1" not in rows_in(tmp_path / "run")[0]
    assert "batch 1: " in run.out
    assert "error on 4 other stitches" in run.out
    assert " ms " in next(line for line in run.out.splitlines() if "MFLOPs" in line)
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"latency.json", "stitches.jsonl", "report.html"}
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Milliseconds are those of a batch of 1 on" in page
    assert "python -m snnet_lightning.latency anchors=digits num_threads=1" in page


def test_it_is_kept_with_a_saved_network_and_chosen_by(timed, folder, evaluated):
    weights = (folder / "model.safetensors").stat().st_mtime_ns
    net = sn.load(folder)
    assert [measured.batch for measured in net.latency.batches] == [1, 4]
    assert {row.id: row.latency_ms for row in net.rows} == net.latency.at(1)
    assert [row.acc1 for row in net.rows] == [row.acc1 for row in evaluated.rows]
    assert "Milliseconds (ms) are those of a batch of 1 on" in (folder / "README.md").read_text()
    assert (folder / "model.safetensors").stat().st_mtime_ns == weights
    assert "net.description.class_names" in (folder / "README.md").read_text()
    ms = sorted(row.latency_ms for row in net.rows)[9]
    fitting = [row.id for row in net.rows if row.latency_ms <= ms]
    assert net.select(latency_ms=ms).id == max(fitting)  # accuracies grow with the id
    four = net.latency.at(4)
    assert net.select(latency_ms=four[3], batch=4).id == max(key for key, value in four.items() if value <= four[3])


def test_an_evaluation_tells_latency_and_what_fits(timed, folder, run_here, tmp_path):
    ms = sorted(row.latency_ms for row in sn.load(folder).rows)[20]
    words = [f"ckpt_path={folder}", "data=digits", f"budget.latency_ms={ms}", "trainer.limit_test_batches=1"]
    run = run_here("evaluate.py", *words, "callbacks.progress=null", directory=tmp_path / "run")
    assert run.status == 0, run.err
    rows = rows_in(tmp_path / "run")
    fitting = [row for row in rows if row["latency_ms"] <= ms]
    best = min(fitting, key=lambda row: (-row["acc1"], row["flops"]))
    assert f"stitch {best['id']}, {best['name']}, with a top-1 of {best['acc1']:.2f} %" in run.out
    assert (tmp_path / "run" / "latency.png").is_file()
    again = sn.load(tmp_path / "run" / "snnet")
    assert again.latency == sn.load(folder).latency
    assert [row.acc1 for row in again.rows] == [row["acc1"] for row in rows]


def test_a_budget_that_no_stitch_meets_ends_no_evaluation(folder, run_here, tmp_path):
    words = [f"ckpt_path={folder}", "data=digits", "budget.flops=1e3", "trainer.limit_test_batches=1"]
    run = run_here("evaluate.py", *words, "callbacks.progress=null", directory=tmp_path / "run")
    assert run.status == 0, run.err
    assert "budget.flops=1000: no stitch fits; the cheapest, digits_tiny, needs 387,696 FLOPs" in run.out + run.err
    assert rows_in(tmp_path / "run")


def test_milliseconds_that_nobody_measured_are_refused_before_an_evaluation(folder, run_here, tmp_path):
    words = [f"ckpt_path={folder}", "data=digits", "budget.latency_ms=5", "callbacks.progress=null"]
    run = run_here("evaluate.py", *words, directory=tmp_path / "run")
    assert "budget.latency_ms=5: no latency is known" in error_of(run)
    assert not (tmp_path / "run" / "stitches.jsonl").exists()


def test_an_export_of_what_fits(folder, run_here, tmp_path):
    script = "snnet_lightning/export/__main__.py"
    words = [f"ckpt_path={folder}", "accuracy=false", "images=4", "format=pt2"]
    run = run_here(script, *words, "budget.flops=1.3e6", directory=tmp_path / "run")
    assert run.status == 0, run.err
    (row,) = rows_in(tmp_path / "run" / "export")
    assert row["id"] == max(row.id for row in sn.load(folder).rows if row.flops <= 1.3e6)
    run = run_here(script, *words, "budget.flops=1e3", directory=tmp_path / "none")
    assert error_of(run).startswith(
        "error: budget.flops=1000: no stitch fits; the cheapest, digits_tiny, needs 387,696"
    )
    run = run_here(script, *words, "budget.latency_ms=5", directory=tmp_path / "unknown")
    assert "budget.latency_ms=5: no latency is known" in error_of(run)
    run = run_here(script, *words, "budget.flops=1e9", "stitch=3", directory=tmp_path / "both")
    assert "stitch=3 and budget.flops=1e+09: give one of them" in error_of(run)


@pytest.mark.parametrize(
    ("script", "words", "why"),
    [
        (SCRIPT, ["batch=[0]"], "batch.0=0: must be above 0"),
        (SCRIPT, ["batch=[2,2]"], "names a size twice"),
        (SCRIPT, ["precision=fp8"], "precision=fp8: must be"),
        (SCRIPT, ["rounds=1"], "rounds=1: must be at least 4"),
        (SCRIPT, ["exported=x"], "exported"),
        (SCRIPT, ["ckpt_path=nowhere.ckpt"], "nowhere.ckpt"),
        ("evaluate.py", ["accuracy=false", "budget.flops=1e9"], "accuracy=false cannot be"),
        ("evaluate.py", ["budget.batch=4"], "budget.batch=4: is that of budget.latency_ms"),
        ("evaluate.py", ["budget.latency_ms=-1"], "budget.latency_ms=-1: must be above 0"),
        ("evaluate.py", ["budget.speed=3"], "no key 'budget.speed'"),
    ],
)
def test_wrong_words_end_in_one_line(run_here, tmp_path, script, words, why):
    assert why in error_of(run_here(script, *words, directory=tmp_path / "run"))
