"""From the normalisation of one timm model to that of another."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def renormalisation(
    given: Mapping[str, Any], wanted: Mapping[str, Any], channels: int, like: Tensor
) -> Callable[[Tensor], Tensor]:
    """What turns images (N, channels, H, W), normalised as one ``pretrained_cfg`` of timm says, into those of another.

    Leaves them alone where both agree, or one does not say it for as many channels. ``like`` has device and precision.
    """
    statistics = [cfg.get(key) or () for cfg in (given, wanted) for key in ("mean", "std")]
    if statistics[:2] == statistics[2:] or any(len(each) not in (1, channels) for each in statistics):
        return lambda images: images
    mean, std, new_mean, new_std = (torch.tensor(each, dtype=torch.float64).view(-1, 1, 1) for each in statistics)
    scale, shift = (std / new_std).to(like), ((mean - new_mean) / new_std).to(like)
    return lambda images: images * scale + shift
