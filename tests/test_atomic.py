"""A file is whole or not there, and a failed write leaves nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from snnet_lightning.atomic import written_atomically
from snnet_lightning.checkpoints.atomic_io import AtomicCheckpointIO


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Files have at most so many bytes: writing more fails, as on a full disk (Python ignores the signal)."""
    import resource  # which Windows has not

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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
    checkpoint = target.parent / "best.ckpt"
    checkpoint.write_text("old")
    with disk_of(1000):
        with pytest.raises(OSError, match="File too large"), written_atomically(target) as unfinished:
            unfinished.write_text("new" * 1000)
        with pytest.raises((OSError, RuntimeError)):
            AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(1000)}, checkpoint)
    assert {path.name: path.read_text() for path in target.parent.iterdir()} == {"text": "old", "best.ckpt": "old"}


@pytest.mark.parametrize("name", ["x.ckpt", "x.jsonl"])
def test_a_full_disk_is_told_by_the_name_of_the_file(tmp_path, name):
    path = tmp_path / name
    write = torch.save if path.suffix == ".ckpt" else (lambda tensor, file: file.write_bytes(tensor.numpy().tobytes()))
    with disk_of(10_000), pytest.raises(OSError, match=name) as failed, written_atomically(path) as unfinished:
        write(torch.zeros(100_000), unfinished)
    assert failed.value.filename == str(path)
    assert not list(tmp_path.iterdir())
