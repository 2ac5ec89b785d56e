"""How the anchors want their images: normalisation, interpolation and crop of their timm data configurations."""

from collections.abc import Sequence
from typing import Any

import timm
from timm.data import resolve_data_config

from snnet_lightning.errors import InputError

KEYS = ("mean", "std", "interpolation", "crop_pct")


def preprocessing(anchors: Sequence[str], said: dict[str, Any]) -> dict[str, Any]:
    """Mean, std, interpolation and crop share that all anchors agree on; what was ``said`` comes first.

    Raises:
        InputError: anchors disagree on something that was not said.
    """
    wanted = {name: resolve_data_config(pretrained_cfg=_pretrained_cfg(name)) for name in anchors}
    found = {}
    for key in KEYS:
        if said.get(key) is not None:
            found[key] = said[key]
            continue
        values = {name: config[key] for name, config in wanted.items()}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{name} wants {value}" for name, value in values.items())
            raise InputError(f"data.{key} must be said, since the anchors disagree: {listed}")
        found[key] = next(iter(values.values()))
    return found


def _pretrained_cfg(name: str) -> dict[str, Any]:
    known = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return known.to_dict() if known is not None else {"input_size": (3, 224, 224)}
