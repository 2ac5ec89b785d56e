"""What becomes of parameters that a step does not use.

torch 2 drops gradients between steps, so that an optimiser passes by what has none. Where they are set to zero
instead, as in torch 1 and so in the published trainings, momentum and weight decay go on moving whatever was used once.
What has been used is then part of a training's state: a parameter moves exactly if it has a gradient.
"""

from collections.abc import Iterable

import torch
from torch import nn


def moving(net: nn.Module) -> list[str]:
    """The names of the parameters that have a gradient, be it zero."""
    return [name for name, parameter in net.named_parameters() if parameter.grad is not None]


def set_moving(net: nn.Module, names: Iterable[str]) -> None:
    """Give the parameters of these names a gradient of zero, and all others none."""
    chosen = set(names)
    for name, parameter in net.named_parameters():
        parameter.grad = torch.zeros_like(parameter) if name in chosen else None
