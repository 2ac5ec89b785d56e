"""What a folder of exported stitches says of itself."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from snnet_lightning.checked import checked
from snnet_lightning.description import Description, Preprocessing, read_description
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import Percent, Row, as_line, write_jsonl
from snnet_lightning.export.folder import FILES
from snnet_lightning.export.normalised import pixels_of
from snnet_lightning.network_folder import CONFIG, EXPORT, STITCHES, read_export, write_config

NAME = re.compile(r"[\w.#/:@+\[\]> -]{1,2000}")  # of a stitch, made of aliases and slices


@dataclass(frozen=True)
class ExportedFile:
    """A file of the folder by its name, what is known of it, and top-1 in percent that the network had, if known."""

    name: str
    row: Row
    network_acc1: Percent | None = None


@dataclass(frozen=True)
class ExportedFolder:
    """What lies there: files, the network that they are of, and what they normalise pixels in 0..1 by, if they do."""

    files: tuple[ExportedFile, ...]
    description: Description
    normalise: Preprocessing | None

    @property
    def anchors(self) -> list[str]:
        """The names of stitches that are single anchors."""
        return [anchor.alias for anchor in self.description.anchors]

    def prepared(self, images: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) as the files take them."""
        return images if self.normalise is None else pixels_of(images, self.normalise)


def mark(folder: Path, how: Mapping[str, Any], description: Mapping[str, Any], files: Iterable[ExportedFile]) -> None:
    """Write into ``folder`` what was exported, how, and one row a stitch."""
    write_config({EXPORT: how, **description}, folder)
    _write(files, folder)


def read_exported(folder: str | Path) -> ExportedFolder:
    """What lies in a folder of exported stitches.

    Raises:
        InputError: it is none, or damaged.
    """
    folder, where = Path(folder), f"exported={folder}"
    config, how = read_export(folder, where)
    description = read_description(config, f"{where}/{CONFIG}")
    path, make, make_file = folder / STITCHES, checked(Row), checked(ExportedFile)
    lines = path.read_bytes().splitlines() if path.is_file() else []
    files = []
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
            name, network_acc1 = content.pop("file"), content.pop("network_acc1", None)
            file = make_file(name, make(**content), network_acc1)
            if not FILES.fullmatch(name) or not NAME.fullmatch(file.row.name):  # it would lie elsewhere, or deceive
                raise ValueError(name)
            files.append(file)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(f"{where}/{STITCHES}: line {number} is no exported stitch") from error
    if not files:
        raise InputError(f"{where}: holds no {STITCHES}, or none in it")
    normalise = how.get("normalise") is True
    if normalise and description.preprocessing is None:
        raise InputError(f"{where}/{CONFIG}: does not say how its files normalise images")
    return ExportedFolder(tuple(files), description, description.preprocessing if normalise else None)


def note_accuracies(folder: Path, rows: Sequence[Row]) -> None:
    """Write down what an evaluation of all files found; ``rows`` in their order."""
    exported = read_exported(folder)
    _write([replace(file, row=row) for file, row in zip(exported.files, rows, strict=True)], folder)


def _write(files: Iterable[ExportedFile], folder: Path) -> None:
    lines = []
    for file in files:
        before = {} if file.network_acc1 is None else {"network_acc1": file.network_acc1}
        lines.append({**as_line(file.row), "file": file.name, **before})
    write_jsonl(lines, folder / STITCHES)
