"""A file is whole or not there, and a failed write leaves nothing."""

import subprocess
import sys

import pytest

from snnet_lightning.atomic import written_atomically

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import torch
from snnet_lightning.atomic import written_atomically
from snnet_lightning.checkpoints.atomic_io import AtomicCheckpointIO

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full disk, write() then fails
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path(sys.argv[1])
try:
    with written_atomically(path / "text") as unfinished:
        unfinished.write_text("new" * 1000)
except OSError as error:
    print(type(error).__name__)
try:
    AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(1000)}, path / "best.ckpt")
except (OSError, RuntimeError) as error:
    print(type(error).__name__)
"""


@pytest.fixture
def target(tmp_path):
    (tmp_path / "text").write_text("old")
    return tmp_path / "text"


def test_what_was_written_takes_the_place(target):
    with written_atomically(target) as unfinished:
        unfinished.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["text"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("wrote", [True, False])
def test_an_exception_leaves_the_former_file_alone(target, error, wrote):
    def write():
        with written_atomically(target) as unfinished:
            if wrote:
                unfinished.write_text("ne")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["text"]


def test_nothing_written_is_an_error(target):
    with pytest.raises(FileNotFoundError), written_atomically(target):
        pass
    assert target.read_text() == "old"


def test_a_target_that_cannot_be_replaced(tmp_path):
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"), written_atomically(tmp_path / "folder") as unfinished:
        unfinished.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_full_disk_leaves_the_former_files_alone(target):
    (target.parent / "best.ckpt").write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(target.parent)], capture_output=True, text=True)
    assert len(done.stdout.split()) == 2, done.stderr
    assert {path.name: path.read_text() for path in target.parent.iterdir()} == {"text": "old", "best.ckpt": "old"}


SMALL_DISK = """
import resource, signal, sys, torch
from pathlib import Path
from snnet_lightning.atomic import written_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with written_atomically(Path(sys.argv[1])) as unfinished:
        if sys.argv[1].endswith(".ckpt"):
            torch.save(torch.zeros(100_000), unfinished)
        else:
            unfinished.write_bytes(bytes(100_000))
except OSError as error:
    print(error.filename, Path(sys.argv[1]).exists(), len(list(Path(sys.argv[1]).parent.iterdir())))
"""


@pytest.mark.parametrize("name", ["x.ckpt", "x.jsonl"])
def test_a_full_disk_is_told_by_the_name_of_the_file(tmp_path, name):
    path = str(tmp_path / name)
    done = subprocess.run([sys.executable, "-c", SMALL_DISK, path], capture_output=True, text=True)
    assert done.stdout.split() == [path, "False", "0"], done.stderr
