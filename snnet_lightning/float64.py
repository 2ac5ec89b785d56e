"""Sums in float64, also of tensors on a device that has none."""

import torch
from torch import Tensor


def summing_device(device: torch.device) -> torch.device:
    """Where sums in float64 of what lies on ``device`` are kept: there, or on the CPU for Apple's MPS."""
    return torch.device("cpu") if device.type == "mps" else device


def in_float64(x: Tensor) -> Tensor:
    """``x`` in float64, on its ``summing_device``."""
    return x.to(summing_device(x.device)).double()  # one after the other: a device that has none cannot convert
