"""A job of a sweep in a process of its own, whichever launcher started it.

Within a sweep Hydra calls the task in the launcher's process. There Lightning could not start the other processes of
DDP, which it does by repeating the command line: each would run the whole sweep. So the task is started again as a run
of its own, with the command line that this one job would have. Thus a job also keeps nothing of an earlier one (memory,
process group, W&B run), and when it is killed the sweep goes on.

It is done in the task and not in a launcher of ours, since Hydra runs one launcher: ours would take the place of
submitit's, joblib's and others, and would be longer for what a launcher has to do besides (directories, configurations,
return values of all jobs).
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from hydra.conf import HydraConf
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import OmegaConf

from snnet_lightning.errors import InputError, RunError
from snnet_lightning.first_process import is_first_process
from snnet_lightning.sweeps import record

GRACE = 20  # seconds in which a job that is told to end can save a checkpoint
UNHANDLED = (signal.SIG_DFL, signal.default_int_handler)


class JobError(RunError):
    """A job of a sweep failed."""


def run_in_own_process(program: str, hydra: HydraConf) -> Any:
    """Run the job of a sweep that Hydra is configured for, and return what its task returned.

    Args:
        program: the module that runs the job's command.
        hydra: Hydra's configuration for the job.

    Raises:
        JobError: the job failed.
        InputError: the launcher starts the job more than once.
    """
    if int(os.environ.get("SUBMITIT_LOCAL_NTASKS", 1)) > 1:
        raise InputError("hydra.launcher.tasks_per_node must be 1: strategy=ddp starts its processes itself")
    directory, overrides = Path(hydra.runtime.output_dir), as_typed(hydra.overrides.task)
    first = is_first_process()
    if first:
        record.begin(directory, hydra.job.num, overrides)
    try:
        status = wait_for(command_of(program, hydra), hydra.runtime.cwd)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        record.note_error(directory, "interrupted" if interrupted else f"{type(error).__name__}: {error}", cause=True)
        if first:
            record.end(directory, succeeded=False)
        raise
    succeeded = status == 0 and (not first or record.has_returned(directory))
    if not succeeded:
        record.note_error(directory, _how_it_ended(status))
    job = record.end(directory, succeeded) if first else None
    if not succeeded:
        raise JobError(
            f"job {hydra.job.num} ({' '.join(overrides)}) failed: {job.error if job else 'see its first process'}"
        )
    return job and job.value


def command_of(program: str, hydra: HydraConf) -> list[str]:
    """The command line that runs a job of a sweep alone."""
    sources = {source.provider: source.path for source in hydra.runtime.config_sources}
    options = ["--config-path", sources["main"], "--config-name", str(hydra.job.config_name)]
    if "command-line" in sources:
        options += ["--config-dir", sources["command-line"]]
    sweep = os.path.abspath(os.path.join(hydra.runtime.cwd, hydra.sweep.dir))
    ours = [
        f"hydra.run.dir={_quoted(hydra.runtime.output_dir)}",
        f"hydra.sweep.dir={_quoted(sweep)}",  # else ${now:...} in it would be another time
        f"hydra.job.num={hydra.job.num}",
        f"hydra.job.id={_quoted(str(hydra.job.id))}",
        "hydra.mode=RUN",
    ]
    if "sweep" in hydra.callbacks:
        ours.append(f"hydra.callbacks.sweep.name={_quoted(os.path.basename(sweep))}")
    typed = [*as_typed(hydra.overrides.task), *as_typed(hydra.overrides.hydra)]
    return [
        sys.executable,
        *_started(program),
        *options,
        *typed,
        *ours,
    ]  # of two values for one key Hydra takes the later


def _started(program: str) -> list[str]:
    """What starts it: the script of a clone, which need not be installed, or an installed package's module."""
    script = Path(__file__).parents[2] / f"{program.rpartition('.')[2]}.py"
    in_clone = (script.parent / "conf").is_dir() and script.is_file()
    return [str(script)] if in_clone else ["-m", program]


def wait_for(command: list[str], directory: str) -> int:
    """Run a command to its end, and return its exit status; whatever ends this process ends all that it started."""
    child: subprocess.Popen[bytes] | None = None
    with _signals_raise():
        try:
            # In a process group of its own, so that all of its processes, and none of ours, can be told to end.
            child = subprocess.Popen(command, cwd=directory, start_new_session=True)
            status = child.wait()
        except BaseException:
            if child is not None:
                _end(child)
            raise
    if status:
        _kill_group(child)  # what a killed process left behind
    return status


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Turn signals that end this process into an exit; not those that somebody handles or ignores already."""

    def leave(signum: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signum)

    ours = {}
    if threading.current_thread() is threading.main_thread():
        found = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        ours = {s: handler for s, handler in found.items() if handler in UNHANDLED}
    for signum in ours:
        signal.signal(signum, leave)
    try:
        yield
    finally:
        for signum, handler in ours.items():
            signal.signal(signum, handler)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a job: its first process may save, and tells the others; a second signal meanwhile kills all at once."""
    try:
        child.terminate()
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _kill_group(child)
        child.wait()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with exit status {status}" if status else "ended before it was done"


def as_typed(overrides: Sequence[str]) -> list[str]:
    """The overrides with their interpolations as they are; resolved they may need quotes."""
    words: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(word) for word in words]


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()


def is_job_of_sweep(hydra: HydraConf) -> bool:
    """Whether this run is a job of a sweep, started by ``run_in_own_process``."""
    return not OmegaConf.is_missing(hydra.job, "num")
