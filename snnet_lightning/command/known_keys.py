"""What keys and choices there are, to propose the right one for a wrong one."""

from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from snnet_lightning.command.conf import CONF


def known_keys() -> list[str]:
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


def choices_of_optional(group: str) -> list[str]:
    """The choices of a configuration group that is nothing unless chosen; none for any other word."""
    return [] if group in known_keys() else sorted(path.stem for path in (CONF / group).glob("*.yaml"))
