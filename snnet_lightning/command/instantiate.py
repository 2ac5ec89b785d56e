"""From a node of the configuration to what it names, every argument checked against its annotation."""

from typing import Any

import hydra_zen
from omegaconf import DictConfig

from snnet_lightning.checked import checked


def instantiate(node: DictConfig, **more: Any) -> Any:
    """Make what ``node`` and the nodes in it name by ``_target_``; lists and mappings arrive as Python's own.

    Args:
        more: arguments beside those of the node.

    Raises:
        InstantiationException: an argument is wrong, or what was called failed; its cause says which.
    """
    return hydra_zen.instantiate(node, **more, _target_wrapper_=checked, _convert_="all")
