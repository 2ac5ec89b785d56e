"""The Hydra callback that sums up a sweep."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from snnet_lightning.sweeps.overrides import as_columns, labels_of
from snnet_lightning.sweeps.own_process import JobError
from snnet_lightning.sweeps.record import Job, forget_jobs_of, jobs_of

CSV, PICTURE = "sweep.csv", "sweep.png"
_begun: list[Path] = []  # directories of sweeps of this process that are not summed up yet


class WriteSweep(Callback):
    """Notes that a sweep begins; ``sweeps_summed_up`` sees to its end.

    Args:
        name: that of the sweep which this run is a job of, for others to refer to; a sweep tells it to its jobs.
    """

    def __init__(self, name: str | None = None):
        self.name = name

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        directory = Path(os.path.abspath(config.hydra.sweep.dir))
        forget_jobs_of(directory)
        for name in (CSV, PICTURE):
            (directory / name).unlink(missing_ok=True)
        _begun.append(directory)


@contextmanager
def sweeps_summed_up() -> Iterator[None]:
    """Sum up a sweep that begins here, however it ends: Hydra tells callbacks only of success.

    There will be ``sweep.csv``, ``sweep.png``, and on the terminal how its jobs ended.

    Raises:
        JobError: instead of that of the first job that failed, one for all of them.
    """
    jobs: list[Job] = []
    try:
        try:
            yield
        finally:
            while _begun:
                directory = _begun.pop()
                jobs = jobs_of(directory)
                if jobs:
                    sum_up(jobs, directory)
    except JobError as error:
        failed = sum(not job.succeeded for job in jobs)
        raise JobError(f"{failed} of {len(jobs)} jobs failed") from error


def sum_up(jobs: list[Job], directory: Path) -> None:
    """Write the table and the picture of a sweep, and say which of its jobs failed."""
    from snnet_lightning.sweeps.plot import plot_sweep  # a single run does not need what these import
    from snnet_lightning.sweeps.table import write_table

    print(f"{sum(job.succeeded for job in jobs)} of {len(jobs)} jobs succeeded; results are in {directory}", flush=True)
    for job, label in zip(jobs, labels_of([as_columns(job.overrides) for job in jobs]), strict=True):
        if not job.succeeded:
            told = label or ", ".join(job.overrides)
            print(f"job {job.number} ({told}) failed: {job.error}; see {job.directory}", file=sys.stderr)
    write_table(jobs, directory / CSV)
    plot_sweep(jobs, directory / PICTURE)
