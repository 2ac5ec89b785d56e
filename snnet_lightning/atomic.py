"""Write a file all at once or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TORCH_CANNOT_WRITE = (
    "inline_container",
    "PytorchStreamWriter",
)  # torch.save raises no type of its own


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
