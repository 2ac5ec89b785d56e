"""Containers of a configuration as plain data."""

from collections.abc import Mapping, Sequence
from typing import Any


def plain(value: Any) -> Any:
    """Mappings as dicts and sequences as lists, all the way down, whatever their classes; the rest as it is."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value
