"""Write a file, or the files of a folder, all at once or not at all."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

TORCH_CANNOT_WRITE = ("inline_container", "PytorchStreamWriter")  # torch.save raises no type of its own


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes its place, also if the power fails.

    Where writing fails, ``path`` stays as it was and nothing is left beside it.

    Raises:
        OSError: writing failed; it names the file.
    """
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:  # as of a full disk
            raise OSError(error.errno, error.strerror, str(path)) from error
        if isinstance(error, RuntimeError) and any(word in str(error) for word in TORCH_CANNOT_WRITE):
            raise OSError(errno.EIO, "could not be written; is the disk full?", str(path)) from error
        raise


@contextmanager
def filled_at_once(folder: Path, own: Callable[[str], bool], last: str) -> Iterator[Path]:
    """Give a temporary folder; the files written there take their places in ``folder`` when all are there.

    Where writing fails, ``folder`` stays as it was.

    Args:
        own: whether a file of this name is one of those that are replaced, or removed; others in ``folder`` stay.
        last: the file that comes last, since it tells of the others.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    # Inside it, for what is beside it may be another file system, or not to be written.
    unfinished = Path(mkdtemp(prefix=".unfinished.", dir=folder))
    try:
        yield unfinished
        written = sorted((path.name for path in unfinished.iterdir()), key=lambda name: name == last)
        for name in written:
            os.replace(unfinished / name, folder / name)
        for path in folder.iterdir():
            if own(path.name) and path.name not in written:
                path.unlink()
        made = []
    finally:
        shutil.rmtree(unfinished)
        for path in made:
            path.rmdir()
