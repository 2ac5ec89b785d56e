"""Scripts beside the tests, run as real processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def start_script() -> Callable[[str, Path], None]:
    """Runs a script of this folder, Lightning adding the second process."""

    def run(name: str, directory: Path) -> None:
        path = os.pathsep.join(filter(None, (str(HERE.parents[1]), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [sys.executable, str(HERE / name), str(directory)],
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr

    return run
