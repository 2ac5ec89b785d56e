"""The paths that a user gives, whatever the working directory."""

import os
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

PATHS = (
    "ckpt_path",
    "init_from",
    "exported",
    "images",
    "traffic.file",
    "recalled_from",
    "anchors.weights",
    "data.root",
    "data.class_map",
    "distillation.weights",
)
WORDS = ("last", "pretrained", "random", "checkpoint")  # stand where a path could, and are none


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
