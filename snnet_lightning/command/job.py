"""Around the task under Hydra: strict, recorded configuration, and one line for wrong input."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import wraps
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from snnet_lightning.atomic import written_atomically
from snnet_lightning.command.conf import CONF
from snnet_lightning.command.experiment import require_experiment_of_anchors
from snnet_lightning.command.explain import explain
from snnet_lightning.command.instantiate import check
from snnet_lightning.command.logs import libraries_logged
from snnet_lightning.command.paths import make_paths_absolute
from snnet_lightning.command.run import stop, wants_traceback
from snnet_lightning.first_process import is_first_process
from snnet_lightning.logger.closing import closing_runs
from snnet_lightning.sweeps.own_process import as_typed, is_job_of_sweep, run_in_own_process
from snnet_lightning.sweeps.record import note_error, note_value

log = logging.getLogger(__name__)


def job(name: str, program: str) -> Callable[[Callable[[DictConfig], Any]], Callable[..., Any]]:
    """Decorate the task of the command that ``conf/<name>.yaml`` configures and ``python -m <program>`` runs.

    The configuration becomes read-only and is written, all values resolved, to ``config.yaml`` in the run's directory.
    However the task ends, its W&B run ends too, with the same exit status. A job of a sweep runs in a process of its
    own.
    """

    def decorate(task: Callable[[DictConfig], Any]) -> Callable[..., Any]:
        @hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)
        @wraps(task)
        def guarded(cfg: DictConfig) -> Any:
            return _run(program, task, cfg)

        return guarded

    return decorate


def _run(program: str, task: Callable[[DictConfig], Any], cfg: DictConfig) -> Any:
    settings = HydraConfig.get()
    if settings.mode == RunMode.MULTIRUN:
        return run_in_own_process(program, settings)
    directory = Path(settings.runtime.output_dir)
    composed = deepcopy(cfg)
    try:
        require_experiment_of_anchors(as_typed(settings.overrides.task), settings.runtime.choices)
        check(cfg)  # before anything is resolved, so that errors name the key that refers to what is not there
        make_paths_absolute(cfg, settings.runtime.cwd)
        OmegaConf.resolve(cfg)
        OmegaConf.set_readonly(cfg, True)
        if is_first_process():
            with written_atomically(directory / "config.yaml") as unfinished:
                OmegaConf.save(cfg, unfinished)
        log.info("log, checkpoints and results go to %s", directory)
        with libraries_logged(), closing_runs(), interrupted_as_elsewhere():
            value = task(cfg)
    except Exception as error:
        told = explain(error, composed)
        if is_job_of_sweep(settings):
            note_error(directory, told or f"{type(error).__name__}: {error}")
        if wants_traceback() or told is None:
            raise
        stop(told)
    if is_job_of_sweep(settings):
        note_value(directory, value)
    return value


@contextmanager
def interrupted_as_elsewhere() -> Iterator[None]:
    """Lightning's Trainer ends the process on Ctrl-C, with the exit status of an error; here it goes on to ``run``."""
    try:
        yield
    except SystemExit as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):
            raise stopped.__context__ from None
        raise
