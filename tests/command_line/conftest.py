"""train.py and evaluate.py, as processes of their own or, since their imports take long, in this one."""

import logging
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from hydra.core.global_hydra import GlobalHydra

ROOT = Path(__file__).parents[2]


@dataclass
class Run:
    """How a script ended, and where it wrote."""

    status: int
    out: str
    err: str
    directory: Path

    def written(self) -> set[str]:
        return {path.name for path in self.directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def start() -> Callable[..., Run]:
    """``python script overrides...`` in a process of its own."""

    def run(script: str, *overrides: str, directory: Path) -> Run:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, script, *overrides, f"hydra.run.dir={directory}"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Run(done.returncode, done.stdout, done.stderr, directory)

    return run


@pytest.fixture
def run_here(capfd, monkeypatch) -> Callable[..., Run]:
    """The same in this process: the script as ``__main__``, with these words on its command line."""

    def run(script: str, *overrides: str, directory: Path) -> Run:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", [script, *overrides, f"hydra.run.dir={directory}"])
        handlers, level = logging.root.handlers[:], logging.root.level
        capfd.readouterr()
        status = 0
        with mock.patch.dict(os.environ):
            GlobalHydra.instance().clear()
            try:
                runpy.run_path(str(ROOT / script), run_name="__main__")
            except SystemExit as stopped:
                status = stopped.code
            finally:
                GlobalHydra.instance().clear()
                logging.root.handlers[:], logging.root.level = handlers, level
        return Run(status, *capfd.readouterr(), directory)

    return run
