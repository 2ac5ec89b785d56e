"""What a job of a sweep leaves for the sweep: ``job.json`` and, if it failed, ``error.txt`` in its directory.

Files, for the processes that train, the one that waits for them, and the one that sums up the sweep need not be on the
same machine.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnet_lightning.atomic import written_atomically
from snnet_lightning.first_process import is_first_process

NAME, ERROR = "job.json", "error.txt"
MULTIRUN = "multirun.yaml"  # Hydra's own, in the directory of every sweep
KEYS = {"job", "overrides", "status", "value"}


@dataclass(frozen=True)
class Job:
    """A job of a sweep.

    ``value`` is what it returned to Hydra; ``error`` is one line, empty unless the job failed.
    """

    number: int
    directory: Path
    overrides: list[str]
    succeeded: bool
    value: Any
    error: str


def begin(directory: Path, number: int, overrides: list[str]) -> None:
    """Note that a job starts in this directory; what an earlier one left there is forgotten."""
    (directory / ERROR).unlink(missing_ok=True)
    _write(directory, {"job": number, "overrides": overrides, "status": "running", "value": None})


def note_value(directory: Path, value: Any) -> None:
    """Note what the job returned; only the first of its processes has a say."""
    if is_first_process():
        _write(directory, _read(directory) | {"status": "returned", "value": value})


def has_returned(directory: Path) -> bool:
    """Whether the job has noted what it returned, if only that it was nothing."""
    return _read(directory).get("status") == "returned"


def note_error(directory: Path, error: str, cause: bool = False) -> None:
    """Note why the job failed; the first error stays, for what follows it is a consequence, unless one is the cause."""
    with suppress(FileExistsError), (directory / ERROR).open("w" if cause else "x") as file:
        file.write(" ".join(error.split()) + "\n")


def end(directory: Path, succeeded: bool) -> Job:
    """Note how the job ended, and return all that is known of it."""
    content = _read(directory) | {"status": "ok" if succeeded else "failed"}
    _write(directory, content)
    return _job(directory, content)


def jobs_of(sweep: Path) -> list[Job]:
    """The jobs whose directories are in that of the sweep, by number."""
    return sorted((_job(path.parent, content) for path, content in _records(sweep)), key=lambda job: job.number)


def forget_jobs_of(sweep: Path) -> None:
    """Remove what earlier sweeps in this directory noted, and nothing else."""
    for path, _ in _records(sweep):
        path.unlink()
        (path.parent / ERROR).unlink(missing_ok=True)


def _records(sweep: Path) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for folder, folders, files in os.walk(sweep):
        if Path(folder) != sweep and MULTIRUN in files:  # another sweep, which Hydra has noted there
            folders.clear()
        elif NAME in files and _is_record(content := _read(Path(folder))):
            folders.clear()
            found.append((Path(folder) / NAME, content))
    return found


def _is_record(content: dict[str, Any]) -> bool:
    overrides = content.get("overrides")
    typed = isinstance(overrides, list) and all(isinstance(word, str) for word in overrides)
    return content.keys() >= KEYS and typed and isinstance(content["job"], int)


def _read(directory: Path) -> dict[str, Any]:
    try:
        content = json.loads((directory / NAME).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(directory: Path, content: dict[str, Any]) -> None:
    with written_atomically(directory / NAME) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2) + "\n")


def _job(directory: Path, content: dict[str, Any]) -> Job:
    path = directory / ERROR
    error = path.read_text().strip() if path.is_file() else "it did not end"
    succeeded = content["status"] == "ok"
    return Job(content["job"], directory, content["overrides"], succeeded, content["value"], "" if succeeded else error)
