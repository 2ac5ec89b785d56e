"""Directories of jobs, made by hand."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from snnet_lightning.sweeps import record


@pytest.fixture
def make_job(tmp_path) -> Callable[..., Path]:
    """A job with these overrides whose stitches have these FLOPs and accuracies; one with an error failed."""

    def make(number: int, overrides: str, points: Sequence[tuple[float, float]] = (), error: str = "") -> Path:
        directory = tmp_path / str(number)
        directory.mkdir()
        record.begin(directory, number, overrides.split())
        rows = [{"id": i, "flops": flops, "acc1": acc1} for i, (flops, acc1) in enumerate(points)]
        (directory / "stitches.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        if error:
            record.note_error(directory, error)
        record.end(directory, succeeded=not error)
        return directory

    return make
