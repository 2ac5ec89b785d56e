"""What was measured lies there as a whole, and the tables of the docs say what it says."""

import json
import re
import shlex
import sys
from pathlib import Path
from statistics import mean

import pytest

RESULTS = Path(__file__).parents[1] / "results"
sys.path.insert(0, str(RESULTS))  # its scripts find one another as scripts do
import measure  # noqa: E402
import write_tables  # noqa: E402

RUNS = [path.parent for path in sorted(RESULTS.rglob("origin.json"))]


@pytest.mark.parametrize("page", write_tables.PAGES, ids=lambda page: page.name)
def test_tables_of_the_docs_are_those_of_the_files(page):
    text = page.read_text(encoding="utf-8")
    assert write_tables.filled(text) == text


def test_every_measurement_is_a_table_of_the_docs():
    named = [name for page in write_tables.PAGES for name in re.findall(r"<!-- table: (\w+) -->", page.read_text())]
    assert sorted(named) == sorted(measure.MEASUREMENTS)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run.relative_to(RESULTS)))
def test_a_run_says_where_it_comes_from_and_agrees_with_itself(run):
    origin = json.loads((run / "origin.json").read_text())
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", origin["commit"])
    assert "torch" in origin["versions"]
    words = shlex.split(origin["command"])
    assert words[0] == "python"
    assert (f"seed={origin['seed']}" in words) == (origin["seed"] is not None)
    if (run / "summary.json").exists():
        rows = [json.loads(line) for line in (run / "stitches.jsonl").read_text().splitlines()]
        summary = json.loads((run / "summary.json").read_text())
        assert summary["test/acc1"] == pytest.approx(mean(row["acc1"] for row in rows))
        assert {f"test/acc1/{row['name']}": row["acc1"] for row in rows}.items() >= {
            (key, value) for key, value in summary.items() if key.startswith("test/acc1/")
        }


def test_a_cell_is_mean_and_standard_deviation_over_the_seeds(tmp_path):
    for seed, (tiny, gap) in enumerate([(90.0, -1.0), (94.0, -1.0)]):
        (tmp_path / str(seed)).mkdir()
        summary = {"test/acc1": 80.0 + seed, "test/acc1/tiny": tiny, "test/gap": gap}
        summary |= {
            "test/acc1/small": 95.0,
            "test/acc1/base": 96.0,
            "test/pareto_area": 93.0,
            "test/pareto_share": 20.0,
        }
        (tmp_path / str(seed) / "summary.json").write_text(json.dumps(summary))
        command = "python train.py trainer.max_epochs=2"
        (tmp_path / str(seed) / "origin.json").write_text(
            json.dumps({"command": command, "cpu_seconds": 60 + 20 * seed})
        )
        (tmp_path / str(seed) / "stitches.jsonl").write_text('{"name": "tiny", "flops": 1}')
    last = write_tables.training({"a=1": [tmp_path / "0", tmp_path / "1"]}).splitlines()[-1]
    # (94 - 90) / sqrt(2) is 2.83, 1 / sqrt(2) is 0.71
    assert last == "| `a=1` | 92.00 ± 2.83 | 95.00 | 96.00 | 80.50 ± 0.71 | 93.00 | 20.00 | −1.00 | 1.00 | 70 |"


@pytest.mark.parametrize(
    ("words", "flops"),
    [
        ("trainer.max_epochs=4", 4 * (2 + 4 + 9) / 3),
        ("trainer.max_epochs=4 tuning.epochs=3", 3 * (2 + 9) / 2 + (2 + 4 + 9) / 3),
        (
            "trainer.max_epochs=7 tuning.epochs=3 trainer.max_epochs=4 tuning.epochs=0 sampler=single sampler.stitch=b",
            4 * 9,
        ),
    ],
)
def test_flops_of_a_training_are_those_of_what_it_draws(words, flops, tmp_path):
    rows = [{"name": name, "flops": count} for name, count in (("a", 2), ("b", 9), ("a[:1] > b[1:]", 4))]
    (tmp_path / "stitches.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "origin.json").write_text(json.dumps({"command": f"python train.py {words}"}))
    assert write_tables.training_flops(tmp_path) == pytest.approx(flops)


def test_what_is_there_is_not_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    monkeypatch.setattr(measure, "_python", lambda words, log: pytest.fail("it was run"))
    (tmp_path / "results").mkdir()
    measure.measure(measure.Run(["train.py"], 1, ["summary.json"], tmp_path / "results"))


def test_a_run_tells_the_cpu_that_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    (tmp_path / "busy.py").write_text(
        "import pathlib, sys, time\n"
        "while time.process_time() < 0.5: pass\n"
        "out = pathlib.Path(sys.argv[1].split('=')[1].strip(\"'\")); out.mkdir(parents=True)\n"
        "(out / 'found').write_text('')\n"
    )
    monkeypatch.setattr(measure, "_git", lambda *words: "0" * 40)
    directory = tmp_path / "results" / "a" / "1"
    measure.measure(measure.Run(["busy.py"], 1, ["found"], directory))
    assert 0.5 <= json.loads((directory / "origin.json").read_text())["cpu_seconds"] < 5


def test_what_failed_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "ROOT", tmp_path)
    (tmp_path / "fails.py").write_text("raise SystemExit('no')")
    with pytest.raises(SystemExit, match=r"fails\.py .* failed"):
        measure.measure(measure.Run(["fails.py"], 1, ["summary.json"], tmp_path / "results" / "a" / "1"))
    assert not (tmp_path / "results").exists()
