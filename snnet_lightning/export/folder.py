"""The folder of an export: written as a whole, and known again as one."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import write_jsonl
from snnet_lightning.saved.files import CONFIG, LIBRARY, STITCHES


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


def mark(folder: Path, export: Mapping[str, Any], description: Mapping[str, Any], rows: Sequence[Mapping]) -> None:
    """Write into ``folder`` what was exported, how, and one row a stitch."""
    config = {"library_name": LIBRARY, "export": export, **description}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_jsonl(rows, folder / STITCHES)


def is_export(folder: Path) -> bool:
    """Whether a folder is of ``mark``."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    ours = isinstance(config, Mapping) and config.get("library_name") == LIBRARY and "export" in config
    return ours and (folder / STITCHES).is_file()


def _require_free(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not is_export(folder):
            raise InputError(f"{folder}: holds something else than exported stitches; give a new folder")
        if not overwrite:
            raise InputError(f"{folder}: holds exported stitches; overwrite=true replaces them")
