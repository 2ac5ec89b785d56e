"""logger=wandb: what a run has logged, read back from the file that W&B writes offline."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
import wandb

from snnet_lightning.evaluation.html_report import write_html_report
from snnet_lightning.evaluation.results import Row
from snnet_lightning.logger.wandb import StitchWandbLogger

OFFLINE = ["logger=wandb", "logger.wandb.offline=true"]
SHORT = ["trainer.max_epochs=2", "trainer.limit_train_batches=4", "trainer.check_val_every_n_epoch=1"]
QUICK = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_test_batches=1"]
GROUPS = [f"{owner}_{decay}" for owner in ("anchors", "stitching_layers") for decay in ("decay", "no_decay")]
SECRET = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Logged:
    """One W&B run: its records by type, and what they come to."""

    directory: Path
    records: dict[str, list[dict]]
    config: dict
    summary: dict
    exit_code: int

    @property
    def run(self) -> dict:
        return self.records["run"][-1]

    @property
    def history(self) -> list[dict]:
        return [record["item"] for record in self.records["history"]]

    def media(self, pattern: str) -> dict:
        (path,) = self.directory.glob(f"files/media/{pattern}")
        return json.loads(path.read_text())


def inspect(directory: Path, *options: str) -> str:
    words = [shutil.which("wandb", path=Path(sys.executable).parent) or "wandb", "leet", "inspect", "--json", *options]
    return subprocess.run([*words, directory], capture_output=True, text=True, check=True, timeout=60).stdout


def logged_under(directory: Path) -> list[Logged]:
    """The runs, by when they started."""
    runs = []
    for path in sorted(directory.rglob("offline-run-*")):
        if not path.is_dir():
            continue
        records: dict[str, list[dict]] = {}
        for line in inspect(path).splitlines():
            record = json.loads(line)
            records.setdefault(record["type"], []).append(record[record["type"]])
        whole = json.loads(inspect(path, "--summary"))
        runs.append(Logged(path, records, whole["config"], whole["summary"], whole["exit_code"]))
    return runs


def succeeded(run):
    assert run.status == 0, run.err
    return run


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory):
    """A key that must not be written anywhere, and another place than the home directory for copies of artifacts."""
    wandb.teardown()  # which has read it, where other tests came first
    with mock.patch.dict(os.environ, WANDB_API_KEY=SECRET, WANDB_DATA_DIR=str(tmp_path_factory.mktemp("data"))):
        yield
    wandb.teardown()


@pytest.fixture
def unread_environment():
    """W&B reads the environment once, at a process's first run; after this, again."""
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.fixture(scope="module")
def trained(run_here, tmp_path_factory):
    options = [*OFFLINE, "logger.wandb.log_model=true", "trainer.log_every_n_steps=1", *SHORT]
    return succeeded(run_here("train.py", *options, directory=tmp_path_factory.mktemp("trained")))


@pytest.fixture(scope="module")
def logged(trained):
    (only,) = logged_under(trained.directory)
    return only


def test_wandb_says_where_the_run_is_and_draws_no_curves(trained):
    lines = [line for line in (trained.out + trained.err).splitlines() if line.startswith("wandb: ")]
    assert len([line for line in lines if "Run data is saved locally" in line]) == 1
    assert len(lines) <= 3


def test_the_table_has_every_stitch(trained, logged):
    table = logged.media("table/stitches/*.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    expected = [json.loads(line) for line in (trained.directory / "stitches.jsonl").read_text().splitlines()]
    assert len(rows) == 35
    for row, stitch in zip(rows, expected, strict=True):
        assert row | stitch == row
        assert row["gflops"] == pytest.approx(stitch["flops"] / 1e9)
        dominated = any(o["flops"] <= row["flops"] and o["acc1"] >= row["acc1"] and o is not row for o in rows)
        assert row["on_front"] != dominated
    assert [row["is_anchor"] for row in rows] == [True] * 3 + [False] * 32
    assert rows[3]["anchors"] == "digits_tiny > digits_small"


def test_the_front_is_a_curve(logged):
    table = logged.media("table/stitches/*.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    front = sorted((row["flops"], row["acc1"]) for row in rows if row["on_front"])
    assert [(row["front/flops"], row["front/acc1"]) for row in logged.history if "front/acc1" in row] == front


def test_the_page_is_the_one_in_the_runs_directory_byte_by_byte(trained, logged):
    (page,) = logged.directory.glob("files/media/html/stitches/page_*.html")
    assert page.read_bytes() == (trained.directory / "report.html").read_bytes()


def test_latencies_have_a_front_of_their_own(tmp_path, unread_environment):
    found = [(10, 70.0, 3.0), (20, 80.0, 2.0), (30, 75.0, 1.0), (40, 90.0, 40.0)]
    rows = [
        Row(i, f"stitch {i}", flops, 10, acc1, 99.0, 1.0, 9, memory=100 + i, latency_ms=ms)
        for i, (flops, acc1, ms) in enumerate(found)
    ]
    logger = StitchWandbLogger(str(tmp_path), "snnet", offline=True)
    logger.log_stitches(rows, [0], write_html_report(rows, [0], tmp_path))
    logger.experiment.finish()
    (logged,) = logged_under(tmp_path)
    table = logged.media("table/stitches/*.json")
    lines = [dict(zip(table["columns"], line, strict=True)) for line in table["data"]]
    assert [(line["memory"], line["latency_ms"]) for line in lines] == [(row.memory, row.latency_ms) for row in rows]
    curves = [
        ("front/flops", "front/acc1", [(10, 70.0), (20, 80.0), (40, 90.0)]),
        ("front_latency/ms", "front_latency/acc1", [(1.0, 75.0), (2.0, 80.0), (40.0, 90.0)]),
    ]
    axes = {m["name"]: m.get("step_metric") for m in logged.records["metric"] if "name" in m}
    for across, up, front in curves:
        assert [(row[across], row[up]) for row in logged.history if up in row] == front
        assert axes[up] == across
        assert not {across, up} & set(logged.summary)


def test_curves_share_the_step_as_their_axis_and_the_front_has_flops(logged):
    axes = {m.get("glob_name") or m["name"]: m.get("step_metric") for m in logged.records["metric"]}
    assert axes["*"] == "trainer/global_step"
    assert axes["front/acc1"] == "front/flops"
    for key in ("train/loss", "val/acc1", "test/acc1", *(f"lr/{group}" for group in GROUPS)):
        rows = [row for row in logged.history if key in row]
        assert rows, key
        steps = [row["trainer/global_step"] for row in rows]
        assert steps == sorted(steps)
    assert len([row for row in logged.history if "lr/anchors_decay" in row]) == 8


def test_draws_and_losses_of_every_kind_of_stitch(trained, logged):
    names = [json.loads(line)["name"] for line in (trained.directory / "stitches.jsonl").read_text().splitlines()]
    epochs = [row for row in logged.history if "drawn/digits_tiny" in row]
    assert [sum(row[f"drawn/{name}"] for name in names) for row in epochs] == [4, 8]
    kinds = {key.removeprefix("train/loss/") for row in epochs for key in row if key.startswith("train/loss/")}
    stitched = {"digits_tiny > digits_small", "digits_small > digits_base"}
    assert kinds
    assert kinds <= {"digits_tiny", "digits_small", "digits_base"} | stitched
    defined = {m["name"]: m for m in logged.records["metric"] if m.get("name", "").startswith("drawn/")}
    assert defined.keys() == {f"drawn/{name}" for name in names}
    assert all(m["step_metric"] == "trainer/global_step" and m["options"]["hidden"] for m in defined.values())
    assert not any(key.startswith("drawn/") for key in logged.summary)


def test_the_summary_holds_plain_numbers(trained, logged):
    for name, value in json.loads((trained.directory / "summary.json").read_text()).items():
        assert logged.summary[name] == pytest.approx(value)
    assert not {"front/acc1", "front/flops"} & set(logged.summary)


def test_the_configuration_is_nested_and_holds_no_key(trained, logged):
    assert logged.config["trainer"]["max_epochs"] == 2
    assert logged.config["model"]["optim"]["opt"] == "adamw"
    assert logged.config["anchors"]["names"] == ["digits_tiny", "digits_small", "digits_base"]
    assert "trainer.max_epochs=2" in logged.config["overrides"]
    assert logged.run["job_type"] == "train"
    assert "run_group" not in logged.run
    assert logged.exit_code == 0
    written = [path for path in trained.directory.rglob("*") if path.is_file()]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


def test_checkpoints_are_versions_of_one_artifact(trained, logged):
    models = [artifact for artifact in logged.records["artifact"] if artifact["type"] == "model"]
    assert {artifact["name"] for artifact in models} == {f"model-{logged.run['run_id']}"}
    for alias, artifact in zip(("best", "last"), models, strict=True):
        (entry,) = artifact["manifest"]["contents"]
        assert alias in artifact["aliases"]
        kept = trained.directory / "checkpoints" / f"{alias}.ckpt"
        assert Path(entry["local_path"]).read_bytes() == kept.read_bytes()


def test_a_resumed_run_goes_on_under_the_same_id_and_one_that_fails_says_so(trained, logged, run_here, tmp_path):
    directory = shutil.copytree(trained.directory, tmp_path / "run", symlinks=True)
    options = ["ckpt_path=last", "trainer.max_epochs=3", "optimized_metric=nothing"]
    run = run_here("train.py", *OFFLINE, *SHORT[1:], *options, directory=directory)
    assert run.status == 1
    assert "error: optimized_metric=nothing" in run.err
    before, after = logged_under(directory)
    assert before.run["run_id"] == after.run["run_id"] == logged.run["run_id"]
    assert after.exit_code == 1
    assert [row["trainer/global_step"] for row in after.history if "val/acc1" in row] == [11]


def test_an_evaluation_is_a_run_of_its_own(trained, run_here, tmp_path):
    checkpoint = trained.directory / "checkpoints" / "last.ckpt"
    options = [*OFFLINE, f"ckpt_path={checkpoint}", "trainer.limit_test_batches=1"]
    succeeded(run_here("evaluate.py", *options, directory=tmp_path))
    (logged,) = logged_under(tmp_path)
    assert logged.run["job_type"] == "evaluate"
    assert len(logged.media("table/stitches/*.json")["data"]) == 35


@pytest.mark.slow
def test_a_sweep_is_a_group_of_runs(run_here, tmp_path):
    options = ["-m", *OFFLINE, *QUICK, "seed=1,2", f"hydra.sweep.dir={tmp_path / 'my_sweep'}"]
    succeeded(run_here("train.py", *options, directory=tmp_path))
    runs = logged_under(tmp_path)
    assert [run.config["seed"] for run in runs] == [1, 2]
    assert [run.run["run_group"] for run in runs] == ["my_sweep"] * 2
    assert len({run.run["run_id"] for run in runs}) == 2
    assert [run.exit_code for run in runs] == [0, 0]


def test_the_group_of_a_run_is_that_of_its_sweep_or_none(composed, tmp_path):
    assert composed("logger=wandb", directory=tmp_path).logger.wandb.group is None
    assert composed("logger=wandb", "hydra.callbacks.sweep.name=lr", directory=tmp_path).logger.wandb.group == "lr"
    assert composed("logger=wandb", "logger.wandb.group=mine", directory=tmp_path).logger.wandb.group == "mine"


def test_disabled_writes_nothing(run_here, tmp_path, monkeypatch, unread_environment):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = succeeded(run_here("train.py", "logger=wandb", "logger.wandb.log_model=true", *QUICK, directory=tmp_path))
    assert "stitches.jsonl" in run.written()
    assert not list(tmp_path.rglob("*wandb*"))


def test_without_a_login_one_line_says_what_to_do(run_here, tmp_path, monkeypatch, unread_environment):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # nobody is logged in there
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    run = run_here("train.py", "logger=wandb", *QUICK, directory=tmp_path / "online")
    assert run.status == 1
    line = run.err.splitlines()[-1]
    assert line.startswith("error: logger=wandb cannot start a run")
    assert "wandb login" in line
    assert "logger.wandb.offline=true" in line
    assert "Traceback" not in run.err
