"""The jobs of a sweep as a table."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snnet_lightning.atomic import written_atomically
from snnet_lightning.sweeps.overrides import as_columns
from snnet_lightning.sweeps.record import Job

SUMMARY = "summary.json"


def write_table(jobs: Sequence[Job], path: Path) -> None:
    """Write one row a job: how it ended, its overrides, its summary metrics; those of a failed job are empty."""
    rows = [_row(job, path.parent) for job in jobs]
    parts = [list(dict.fromkeys(key for row in rows for key in row[part])) for part in range(4)]
    with written_atomically(path) as unfinished, unfinished.open("w", newline="") as file:
        table = csv.DictWriter(file, [key for part in parts for key in part])
        table.writeheader()
        table.writerows({key: value for part in row for key, value in part.items()} for row in rows)


def _row(job: Job, sweep: Path) -> tuple[dict[str, Any], ...]:
    how = {
        "job": job.number,
        "directory": job.directory.relative_to(sweep),
        "status": "ok" if job.succeeded else "failed",
    }
    summary = job.directory / SUMMARY
    metrics = json.loads(summary.read_text()) if job.succeeded and summary.is_file() else {}
    return how, as_columns(job.overrides), metrics, {"error": job.error}
