"""From a node of the configuration to what it names, every argument checked against its annotation."""

from typing import Any

import hydra_zen
from omegaconf import DictConfig, OmegaConf

from snnet_lightning.checked import Unmade, checked, only_checked
from snnet_lightning.errors import InputError

MISSING = "???"  # how OmegaConf writes a value that has to be said


def instantiate(node: DictConfig, **more: Any) -> Any:
    """Make what ``node`` and the nodes in it name by ``_target_``; lists and mappings arrive as Python's own.

    Args:
        more: arguments beside those of the node.

    Raises:
        InstantiationException: an argument is wrong, or what was called failed; its cause says which.
    """
    return hydra_zen.instantiate(node, **more, _target_wrapper_=checked, _convert_="all")


def made(cfg: DictConfig, key: str, **more: Any) -> Any:
    """Make what stands under ``key``, which a job cannot do without.

    Raises:
        InputError: nothing stands there, or nothing that can be made.
        InstantiationException: as of ``instantiate``.
    """
    node = OmegaConf.select(cfg, key)
    if not isinstance(node, DictConfig) or not node.get("_target_") or "_partial_" in node:
        raise InputError(f"{key}: must name by {key}._target_ what is made of it, and was taken away or replaced")
    return instantiate(node, **more)


def check(cfg: DictConfig) -> None:
    """Check every argument in the configuration, before anything is made; what is missing may not be needed.

    Raises:
        InstantiationException: an argument is wrong; its cause says which.
    """
    values = _unmade_where_missing(OmegaConf.to_container(cfg, resolve=True))
    node = OmegaConf.create(values, flags={"allow_objects": True})
    hydra_zen.instantiate(node, _target_wrapper_=only_checked, _convert_="all")


def _unmade_where_missing(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmade_where_missing(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unmade_where_missing(item) for item in value]
    return Unmade() if isinstance(value, str) and value == MISSING else value
