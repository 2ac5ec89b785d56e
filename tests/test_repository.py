"""The repository keeps its own rules."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_clean(check):
    done = subprocess.run([sys.executable, "-m", "ruff", *check, "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow  # CI runs mypy by itself
def test_types_are_clean():
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ci_runs_the_readmes_test_command():
    command = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.endswith("-m pytest"))
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert command.split() == [word for word in last.split() if word != "-q"]


def test_ci_installs_the_browser_that_the_readme_names():
    (named,) = re.findall(r"`apt install ([^`]+)`", (ROOT / "README.md").read_text())
    assert f"--no-install-recommends {named})" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_scripts_only_compose_and_hand_over(script):
    assert len((ROOT / script).read_text().splitlines()) <= 40
