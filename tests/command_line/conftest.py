"""train.py and evaluate.py, as processes of their own or, since their imports take long, in this one."""

import io
import json
import logging
import math
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO
from unittest import mock

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from snnet_lightning.command.recall import recalled

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


def error_of(run: Run) -> str:
    """The one line that a run ended in, which failed."""
    assert run.status == 1
    (line,) = [line for line in run.err.splitlines() if line]
    return line


def rows_in(directory: Path) -> list[dict]:
    """The lines of the results in a directory."""
    return [json.loads(line) for line in (directory / "stitches.jsonl").read_text().splitlines()]


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
def composed() -> Callable[..., DictConfig]:
    """The configuration of train.py with these overrides, as Hydra would hand it to the job."""

    def make(*overrides: str, directory: Path) -> DictConfig:
        init = initialize_config_dir(str(ROOT / "conf"), version_base="1.3")
        with init, recalled(overrides, "init_from"):
            words = [*overrides, f"hydra.runtime.output_dir={directory}", "~callbacks.progress"]
            cfg = compose("train", words, return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        return cfg

    return make


@pytest.fixture
def assert_trains(composed, tmp_path, monkeypatch) -> Callable[..., None]:
    """The configuration shrunk by debug=default takes so many steps, and every stitch is evaluated on a batch."""

    def check(*overrides: str, steps: int) -> None:
        monkeypatch.syspath_prepend(str(ROOT))
        monkeypatch.setattr(sys, "argv", ["train.py"])
        from snnet_lightning.command import train

        train.task(composed(*overrides, directory=tmp_path))
        rows = [json.loads(line) for line in (tmp_path / "stitches.jsonl").read_text().splitlines()]
        assert len(rows) > 3
        assert all(math.isfinite(row["loss"]) and row["images"] == 4 for row in rows)
        state = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
        assert state["global_step"] == steps
        assert all(v.isfinite().all() for v in state["state_dict"].values() if v.is_floating_point())

    return check


@contextmanager
def captured() -> Iterator[tuple[TextIO, TextIO]]:
    """What is written to the terminal meanwhile, by this process and by those that it starts: output and errors."""
    with ExitStack() as stack:
        files = []
        for number, name in ((1, "stdout"), (2, "stderr")):
            # As a pipe would have it: nothing is kept back, so that what several processes write stays in order.
            binary = stack.enter_context(TemporaryFile(buffering=0))
            file = io.TextIOWrapper(binary, encoding="utf-8", newline="", write_through=True)
            stack.callback(file.detach)
            getattr(sys, name).flush()
            before = os.dup(number)
            stack.callback(os.close, before)
            stack.callback(os.dup2, before, number)
            os.dup2(file.fileno(), number)
            stack.enter_context(mock.patch.object(sys, name, file))
            files.append(file)
        yield files[0], files[1]


@pytest.fixture(scope="session")
def run_here() -> Callable[..., Run]:
    """The same in this process: the script as ``__main__``, with these words on its command line."""

    def run(script: str, *overrides: str, directory: Path) -> Run:
        handlers, level = logging.root.handlers[:], logging.root.level
        # A command may have one of its own for it; Lightning ignores further ones of Ctrl-C.
        handled = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        status = 0
        with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ), captured() as files:
            patch.chdir(ROOT)
            patch.setattr(sys, "argv", [script, *overrides, f"hydra.run.dir={directory}"])
            GlobalHydra.instance().clear()
            try:
                runpy.run_path(str(ROOT / script), run_name="__main__")
            except SystemExit as stopped:
                status = stopped.code
            finally:
                GlobalHydra.instance().clear()
                logging.root.handlers[:], logging.root.level = handlers, level
                for number, handler in handled.items():
                    signal.signal(number, handler)
            out, err = (file.seek(0) or file.read() for file in files)
        return Run(status, out, err, directory)

    return run
