"""Where and whether a run that was killed can go on."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments import SLURMEnvironment

from snnet_lightning.anchors.weights import state_differences
from snnet_lightning.checkpoint_file import description_in, read_checkpoint, require_ours
from snnet_lightning.checkpoints.released import is_released
from snnet_lightning.description import differences
from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet

log = logging.getLogger(__name__)

LAST = "last"
FILENAME = "last.ckpt"
REQUEUED = re.compile(r"hpc_ckpt_(\d+)\.ckpt")
# What Lightning restores a training from, and what its first entry must be like.
TRAINING = {"optimizer_states": list, "lr_schedulers": list, "loops": Mapping, "callbacks": Mapping}
VERSION, LIGHTNING = "pytorch-lightning_version", re.compile(r"2\.\d+(\.\w+)*")


def resolve_last(ckpt_path: str | None, directory: str | Path) -> str | None:
    """The last checkpoint in ``directory`` for ``last``, or None if there is none yet; other paths as they are."""
    if ckpt_path != LAST:
        return ckpt_path
    path = Path(directory) / FILENAME
    if path.is_file():
        log.info("going on from %s", path)
        return str(path)
    log.info("no %s yet: the run starts from the beginning", path)
    return None


def requeued(directory: str | Path) -> str | None:
    """What Lightning left in ``directory`` for the next life of a SLURM job, and would take up by itself; else None."""
    if not SLURMEnvironment.detect():
        return None
    found = [(int(match[1]), path) for path in Path(directory).glob("*") if (match := REQUEUED.fullmatch(path.name))]
    return str(max(found)[1]) if found else None


def forget_requeued(directory: str | Path) -> None:
    """Remove what was left for a SLURM job that has gone on: Lightning would take its weights for the test, too."""
    while (path := requeued(directory)) is not None:
        Path(path).unlink()


def require_resumable(net: SNNet, path: str | None) -> None:
    """Check that training can go on from ``path``; None is fine, and means a new run.

    Raises:
        InputError: the file is not one of our checkpoints, not whole, or of another network than the configured one.
    """
    if path is None:
        return
    where = f"ckpt_path={path}"
    content = read_checkpoint(path, where)
    other_way = f"; init_from={path} starts a new training from its weights"
    if is_released(content):
        raise InputError(f"{where}: a published file holds weights only, so training cannot go on from it{other_way}")
    state = require_ours(content, where)
    described = description_in(content, where)
    differ = differences(described, net.description) if described else ""
    if differ:
        raise InputError(f"{where}: of another network than is configured; they differ in {differ}{other_way}")
    differ = state_differences(net.state_like(state), state)
    if differ:
        raise InputError(f"{where}: does not fit the configured network: {differ}{other_way}")
    cut = [key for key, kind in TRAINING.items() if not _is_whole(content.get(key), kind)]
    cut += [key for key in ("epoch", "global_step") if type(content.get(key)) is not int or content[key] < 0]
    if not LIGHTNING.fullmatch(str(content.get(VERSION))):  # by which it migrates the files of other versions
        cut.append(f"{VERSION} 2")
    if cut:
        raise InputError(f"{where}: lacks {', '.join(cut)}, so training cannot go on from it{other_way}")


def _is_whole(value: Any, kind: type[Any]) -> bool:
    return isinstance(value, kind) and bool(value) and (kind is not list or all(isinstance(v, Mapping) for v in value))
