"""From a node of the configuration to what it names, every argument checked against its annotation."""

from typing import Any

import hydra_zen
from omegaconf import DictConfig, OmegaConf

from snnet_lightning.checked import Unmade, checked, only_checked

MISSING = "???"  # how OmegaConf writes a value that has to be said


def instantiate(node: DictConfig, **more: Any) -> Any:
    """Make what ``node`` and the nodes in it name by ``_target_``; lists and mappings arrive as Python's own.

    Args:
        more: arguments beside those of the node.

    Raises:
        InstantiationException: an argument is wrong, or what was called failed; its cause says which.
    """
    return hydra_zen.instantiate(node, **more, _target_wrapper_=checked, _convert_="all")


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
