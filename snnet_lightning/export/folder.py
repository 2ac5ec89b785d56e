"""The folder of an export, written as a whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from snnet_lightning.errors import InputError
from snnet_lightning.network_folder import read_export


@contextmanager
def new_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder beside ``folder``, which takes its place when all is written, or goes.

    Raises:
        InputError: ``folder`` holds something, and it is no export, or not to be overwritten.
    """
    _require_free(folder, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    written, old = unfinished / "new", unfinished / "old"
    try:
        written.mkdir()
        yield written
        _require_free(folder, overwrite)
        if folder.exists():
            folder.rename(old)
        try:
            written.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(unfinished)


def _require_free(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            read_export(folder, str(folder))
        except InputError as error:
            raise InputError(f"{folder}: holds something else than exported stitches; give a new folder") from error
        if not overwrite:
            raise InputError(f"{folder}: holds exported stitches; overwrite=true replaces them")
