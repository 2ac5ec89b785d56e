"""What was typed, against what it was composed into."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, ListConfig, OmegaConf

from snnet_lightning.errors import InputError

PATHS = ("ckpt_path", "anchors.weights", "data.root", "data.class_map", "distillation.weights")
WORDS = ("last", "pretrained", "random", "checkpoint")  # stand where a path could, and are none


def require_experiment_of_anchors(typed: Iterable[str], choices: Mapping[str, str | None]) -> None:
    """Refuse other anchors under the rates and the length of an experiment that nobody asked for.

    An experiment has the name of its anchors.

    Args:
        typed: the overrides of the command line.
        choices: what was chosen of every configuration group.

    Raises:
        InputError: ``anchors=`` was typed, ``experiment=`` was not, and the default experiment is for other anchors.
    """
    anchors, experiment = choices.get("anchors"), choices.get("experiment", "none")
    groups = {override.key_or_group for override in OverridesParser.create().parse_overrides(list(typed))}
    if experiment in ("none", anchors) or "experiment" in groups or "anchors" not in groups:
        return
    raise InputError(
        f"anchors={anchors} would be trained as experiment={experiment}, the default: "
        "add experiment=none for the plain settings, or a published experiment (--help lists them)"
    )


def make_paths_absolute(cfg: DictConfig, directory: str) -> None:
    """Let the paths that a user gives hold wherever the job works (``hydra.job.chdir=true``) and is read again.

    What does not exist stays as typed, for the message that says so.

    Args:
        cfg: the composed configuration, changed in place.
        directory: what relative paths are relative to: where the command was given.
    """
    for key in PATHS:
        value = OmegaConf.select(cfg, key, throw_on_missing=False)
        if isinstance(value, ListConfig):
            OmegaConf.update(cfg, key, [_absolute(entry, directory) for entry in value])
        elif value is not None:
            OmegaConf.update(cfg, key, _absolute(value, directory))


def _absolute(value: Any, directory: str) -> Any:
    if not isinstance(value, str) or not value or value in WORDS:
        return value
    path = os.path.normpath(os.path.join(directory, value))
    return path if os.path.exists(path) else value
