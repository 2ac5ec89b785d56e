"""Which key a user would have typed for a value."""

import re
from typing import Any

from omegaconf import DictConfig, ListConfig


def typed_key(cfg: DictConfig, key: str) -> str:
    """The key that the value at ``key`` is taken from: ``seed`` for ``data.seed``, which is ``${seed}``.

    Args:
        cfg: the configuration, its interpolations not resolved yet.
    """
    node: Any = cfg
    words = key.split(".")
    for place, word in enumerate(words):
        if isinstance(node, ListConfig) and word.isdigit() and int(word) < len(node):
            node = node._get_node(int(word))
        elif isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
            node = node._get_node(word, validate_access=False)
        else:
            return key
        if node is None:
            return key
        if node._is_interpolation():
            source = _source(node._value())
            if source is None:
                return key
            return typed_key(cfg, ".".join([source, *words[place + 1 :]]))
    return key


def _source(interpolation: str) -> str | None:
    """The key that an interpolation stands for; None if it is made of several, or by a resolver."""
    match = re.fullmatch(r"\$\{(?:oc\.select:)?([\w.]+)(?:,\s*null)?\}", interpolation)
    return match[1] if match else None
