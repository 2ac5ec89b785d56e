"""Scripts beside the tests, run as real processes."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def start_script() -> Callable[[str, Path], SimpleNamespace]:
    """Runs a script of this folder, Lightning adding the second process; gives what the script defines."""

    def run(name: str, directory: Path) -> SimpleNamespace:
        path = os.pathsep.join(filter(None, (str(HERE.parents[1]), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, str(HERE / name), str(directory)],
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        return SimpleNamespace(**runpy.run_path(str(HERE / name)))

    return run
