"""The folder of an export, written as a whole."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snnet_lightning.atomic import filled_at_once
from snnet_lightning.errors import InputError
from snnet_lightning.export.shared_weights import WEIGHTS
from snnet_lightning.network_folder import CONFIG, STITCHES, read_export

FILES = re.compile(rf"stitch_\d+\.(onnx|pt2)|{re.escape(WEIGHTS)}|{re.escape(CONFIG)}|{re.escape(STITCHES)}")


@contextmanager
def written_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder; what was written there comes into ``folder``, in place of an export; others stay.

    Raises:
        InputError: as of ``require_free``.
    """
    require_free(folder, overwrite)
    with filled_at_once(folder, own=lambda name: FILES.fullmatch(name) is not None, last=CONFIG) as unfinished:
        yield unfinished


def require_free(folder: Path, overwrite: bool) -> None:
    """Check that an export may be written into a folder.

    Raises:
        InputError: it holds something that is no export, or one that is not to be overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            read_export(folder, str(folder))
        except InputError as error:
            raise InputError(f"{folder}: holds something else than exported stitches; give a new folder") from error
        if not overwrite:
            raise InputError(f"{folder}: holds exported stitches; overwrite=true replaces them")
