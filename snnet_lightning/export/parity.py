"""Does an exported file compute what the network does?"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import torch
from torch import Tensor

BATCHES = (1, 2, 7)  # images; one alone, where exporters like to fix the batch, and what divides nothing


@dataclass(frozen=True)
class Parity:
    """``difference``: the largest of two logits; ``agreement``: of the first classes, in percent, on ``images``."""

    difference: float
    agreement: float
    images: int


@torch.no_grad()
def parity(exported: Callable[[Tensor], Tensor], module: Callable[[Tensor], Tensor], images: Tensor) -> Parity:
    """Compare the logits of both for ``images`` (N, C, H, W), in batches of 1, 2 and 7 in turn."""
    given, expected = (torch.cat([run(part) for part in _batches(images)]) for run in (exported, module))
    agree = (given.argmax(1) == expected.argmax(1)).double().mean().item()
    return Parity((given - expected).abs().max().item(), 100 * agree, len(images))


def _batches(images: Tensor) -> list[Tensor]:
    turn, sizes = cycle(BATCHES), list[int]()
    while left := len(images) - sum(sizes):
        sizes.append(min(next(turn), left))
    return list(images.split(sizes))
