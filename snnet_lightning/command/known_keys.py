"""What keys and choices there are, to propose the right one for a wrong one."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from snnet_lightning.command.conf import CONF
from snnet_lightning.command.overrides import overrides_in
from snnet_lightning.errors import InputError


@cache
def known_keys() -> dict[str, Any]:
    """Every key of the default configurations, dotted, and what stands there."""
    keys: dict[str, Any] = {}

    def walk(node: Any, path: str) -> None:
        for key in node:
            full = f"{path}{key}"
            keys[full] = child = node._get_node(key)
            if isinstance(child, DictConfig) and not child._is_none() and not child._is_interpolation():
                walk(child, f"{full}.")

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for name in ("train", "evaluate", "export", "latency", "serve", "replay"):
            walk(compose(name), "")
    return keys


def choices_of(group: str) -> list[str]:
    """The choices of a configuration group; none for any other word."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml")) if group else []


def require_choices(words: Iterable[str]) -> None:
    """Refuse what is no name where a choice of a group belongs, as in ``data=null``; Hydra would not say which group.

    Args:
        words: the command line.

    Raises:
        InputError: a group is given a number, a truth value or nothing.
    """
    for override in overrides_in(words):
        group, value = override.key_or_group, override.value()
        no_name = value is None or isinstance(value, int | float)
        if no_name and not override.is_delete() and not override.is_sweep_override() and choices_of(group):
            raise InputError(
                f"{override.input_line}: must be {' or '.join(choices_of(group))}; for nothing at all there is ~{group}"
            )
