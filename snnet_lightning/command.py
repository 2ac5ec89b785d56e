"""Around Hydra's main function: one line for wrong input, and the run's resolved configuration."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from snnet_lightning.atomic import written_atomically
from snnet_lightning.composition import make_paths_absolute, require_experiment_of_anchors
from snnet_lightning.errors import InputError, RunError
from snnet_lightning.first_process import is_first_process
from snnet_lightning.logger.closing import closing_runs
from snnet_lightning.logs import libraries_logged
from snnet_lightning.sweeps.own_process import is_job_of_sweep, run_in_own_process
from snnet_lightning.sweeps.record import note_error, note_value
from snnet_lightning.sweeps.write_sweep import sweeps_summed_up

log = logging.getLogger(__name__)

CONF = Path(__file__).parents[1] / "conf"
SHOW_TRACEBACK = "HYDRA_FULL_ERROR"
OUR_CHOICE = "SNNET_HANDLES_ERRORS"
# What makes up the network and its data; where and how long it trained does not matter to an evaluation.
RECALLED = ("anchors", "stitch", "net", "data", "experiment", "debug")


def run(main: Callable[[], Any]) -> None:
    """Run a Hydra main function; a configuration that cannot be composed ends in one line and exit status 1.

    With HYDRA_FULL_ERROR=1 the traceback is shown instead, as everywhere in Hydra.
    """
    # OpenMP's idle threads spin by default; where another process wants the cores too, a step then takes 30 times as
    # long (measured on two cores). PyTorch is not imported yet, so this is still heard.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    asked_for_traceback = wants_traceback()
    os.environ[SHOW_TRACEBACK] = "1"  # so that Hydra hands its errors on instead of printing them
    main = sweeps_summed_up()(main)
    if asked_for_traceback:
        main()
        return
    os.environ[OUR_CHOICE] = "1"
    try:
        main()
    except Exception as error:
        if not told_in_one_line(error):
            raise
        stop(error)


def job(task: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """Decorate the task under ``hydra.main``: strict, recorded configuration, and one line for wrong input.

    The configuration becomes read-only and is written, all values resolved, to ``config.yaml`` in the run's directory.
    However the task ends, its W&B run ends too, with the same exit status.
    A job of a sweep runs in a process of its own.
    """
    script = os.path.abspath(task.__code__.co_filename)

    @wraps(task)
    def guarded(cfg: DictConfig) -> Any:
        hydra = HydraConfig.get()
        if hydra.mode == RunMode.MULTIRUN:
            return run_in_own_process(script, hydra)
        directory = Path(hydra.runtime.output_dir)
        try:
            require_experiment_of_anchors(hydra.overrides.task, hydra.runtime.choices)
            make_paths_absolute(cfg, hydra.runtime.cwd)
            OmegaConf.resolve(cfg)
            OmegaConf.set_readonly(cfg, True)
            if is_first_process():
                with written_atomically(directory / "config.yaml") as unfinished:
                    OmegaConf.save(cfg, unfinished)
            log.info("log, checkpoints and results go to %s", directory)
            with libraries_logged(), closing_runs():
                value = task(cfg)
        except Exception as error:
            told = told_in_one_line(error)
            if is_job_of_sweep(hydra):
                note_error(directory, explain(error) if told else f"{type(error).__name__}: {error}")
            if wants_traceback() or not told:
                raise
            stop(error)
        if is_job_of_sweep(hydra):
            note_value(directory, value)
        return value

    return guarded


def optimized_metric(found: Mapping[str, Any], name: str) -> float:
    """The logged metric that a sweep is told of.

    Raises:
        InputError: nothing was logged under this name.
    """
    if name not in found:
        raise InputError(f"optimized_metric={name}: there is no such metric; there are {', '.join(sorted(found))}")
    return float(found[name])


def wants_traceback() -> bool:
    """Whether the user, and not ``run`` in this process or the one that started it, asked Hydra for tracebacks."""
    return os.environ.get(SHOW_TRACEBACK) == "1" and OUR_CHOICE not in os.environ


def told_in_one_line(error: BaseException) -> bool:
    """Whether the user can put it right, so that the message is enough."""
    if isinstance(error, RunError | HydraException | OmegaConfBaseException):
        return True
    return is_misconfiguration(error) or str(error).startswith("Only one of --run, --multirun, --cfg")


def is_misconfiguration(error: BaseException) -> bool:
    """Whether Lightning refuses the Trainer's arguments; told by name, for importing Lightning takes seconds."""
    return type(error).__name__ == "MisconfigurationException"


def stop(error: BaseException) -> NoReturn:
    print(f"error: {explain(error)}", file=sys.stderr)
    sys.exit(1)


def explain(error: BaseException) -> str:
    """One line that says what is wrong and what would be right."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RunError):
            return " ".join(str(cause).split())
        if is_misconfiguration(cause):
            return f"trainer: {' '.join(str(cause).split())}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return f"{group}={choice}: there is no such choice; there are {', '.join(error.options)}"
    if isinstance(error, OverrideParseException):
        return f"cannot read the override {error.override!r}: it must be key=value"
    text = " ".join(str(error).split())
    if "Could not override '" in text:
        key = text.split("Could not override '")[1].split("'")[0]
        group, choices = key.split(".")[0], _choices_of_optional(key.split(".")[0])
        if group == "hydra":
            return f"the configuration has no key {key!r}; --cfg hydra lists them all"
        if choices:
            return f"the configuration has no key {key!r}; what {group} has, it has by {group}={' or '.join(choices)}"
        close = get_close_matches(key, _known_keys(), n=3, cutoff=0.5)
        return f"the configuration has no key {key!r}; " + (
            f"did you mean {' or '.join(close)}?" if close else "--cfg job lists them all"
        )
    if text.startswith("Error merging override") and error.__cause__:
        text += f": {' '.join(str(error.__cause__).split())}"
    return text


def _choices_of_optional(group: str) -> list[str]:
    """The choices of a configuration group that is nothing unless chosen; none for any other word."""
    return [] if group in _known_keys() else sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _known_keys() -> list[str]:
    """Every key of the two default configurations, dotted."""
    keys: dict[str, None] = {}

    def walk(node: Any, path: str) -> None:
        for key in node:
            full = f"{path}{key}"
            keys[full] = None
            child = node._get_node(key)
            if isinstance(child, DictConfig) and not child._is_none() and not child._is_interpolation():
                walk(child, f"{full}.")

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for name in ("train", "evaluate"):
            walk(compose(name), "")
    return list(keys)


def recall_training_overrides() -> None:
    """Put the overrides that shaped the network of ``ckpt_path=...`` before those typed on the command line.

    So a checkpoint of ours is evaluated with the anchors, stitches and data that it was trained with, unless told
    otherwise, and Hydra records all of it.
    """
    paths = [word.removeprefix("ckpt_path=") for word in sys.argv[1:] if word.startswith("ckpt_path=")]
    if not paths or {"-m", "--multirun"} & set(sys.argv):  # every job of a sweep recalls for itself
        return
    from snnet_lightning.callbacks.remember_overrides import KEY
    from snnet_lightning.checkpoints.read import read_checkpoint

    try:
        remembered = read_checkpoint(paths[-1].strip("'\"")).get(KEY, [])
    except InputError:
        return  # to be reported when the checkpoint is loaded
    kept = [word for word in remembered if _shapes_network(word) and word not in sys.argv]
    # After the options, for argparse takes overrides in one piece only.
    first = next(i for i, word in enumerate(sys.argv) if i and not word.startswith("-") and "=" in word.lstrip("~"))
    sys.argv[first:first] = kept


def _shapes_network(override: str) -> bool:
    key = OverridesParser.create().parse_override(override).key_or_group
    return key.split(".")[0].split("/")[0] in RECALLED and key != "anchors.weights"
