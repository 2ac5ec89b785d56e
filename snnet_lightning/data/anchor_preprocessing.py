"""How the anchors want their images: normalisation, interpolation and crop of their timm data configurations."""

from collections.abc import Sequence
from typing import Any

import timm
from timm.data import DEFAULT_CROP_PCT, resolve_data_config

from snnet_lightning.description import Preprocessing
from snnet_lightning.errors import InputError

OF_CHANNELS = ("mean", "std")
KEYS = (*OF_CHANNELS, "interpolation", "crop_pct")
# What timm takes where nothing is published: for images of a size that not all were published for, in case of dispute.
OF_OTHER_SIZES = {"interpolation": "bicubic", "crop_pct": DEFAULT_CROP_PCT}


def preprocessing(
    anchors: Sequence[str],
    said: dict[str, Any],
    input_size: tuple[int, int, int] = (3, 224, 224),
    known: Preprocessing | None = None,
) -> dict[str, Any]:
    """Mean, std, interpolation and crop share that all anchors agree on, or that are ``known`` to be right for them.

    What was ``said`` comes first.

    Mean and std are lists of one value a channel. Where the anchors' configurations are for another number of channels,
    each gets the average of their values, as in timm's own loaders; one value that was said holds for every channel.

    Args:
        input_size: (channels, height, width). Where not all anchors' configurations are for this height and width,
            those that disagree on interpolation or crop get timm's defaults, bicubic and 0.875.

    Raises:
        InputError: anchors disagree on something else that was not said, or it was said for another number of channels.
    """
    channels = input_size[0]
    if known is not None:
        wanted = {name: dict(known) for name in anchors}
    else:
        wanted = {name: resolve_data_config(pretrained_cfg=_pretrained_cfg(name)) for name in anchors}
    others = known is None and any(config["input_size"][1:] != tuple(input_size[1:]) for config in wanted.values())
    found, disputed = {}, {}
    for key in KEYS:
        if said.get(key) is not None:
            found[key] = _said(key, said[key], channels) if key in OF_CHANNELS else said[key]
            continue
        values = {name: config[key] for name, config in wanted.items()}
        if key in OF_CHANNELS:
            values = {k: list(v) if len(v) == channels else [sum(v) / len(v)] * channels for k, v in values.items()}
        if all(value == values[anchors[0]] for value in values.values()):
            found[key] = values[anchors[0]]
        elif others and key in OF_OTHER_SIZES:
            found[key] = OF_OTHER_SIZES[key]
        else:
            disputed[key] = values
    if disputed:
        keys = " and ".join(f"data.{key}" for key in disputed)
        wants = {n: [f"data.{key}={each[n]}".replace(" ", "") for key, each in disputed.items()] for n in wanted}
        listed = ", ".join(f"{name} wants {' '.join(words)}" for name, words in wants.items())
        raise InputError(f"{keys} must be said, since the anchors disagree: {listed}")
    return found


def _said(key: str, values: Sequence[float], channels: int) -> list[float]:
    if len(values) not in (1, channels):
        raise InputError(
            f"data.{key}={list(values)}: must be one value, or {channels}, the channels of anchors.input_size"
        )
    return list(values) * (channels // len(values))


def _pretrained_cfg(name: str) -> dict[str, Any]:
    known = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return known.to_dict() if known is not None else {"input_size": (3, 224, 224)}
