"""A stitch that computes in half precision."""

import copy

from torch import Tensor, nn


class Half(nn.Module):
    """Images (N, C, H, W) -> logits (N, classes), both float32; what is between, weights too, is float16.

    Args:
        stitch: is copied.
    """

    def __init__(self, stitch: nn.Module):
        super().__init__()
        self.stitch = copy.deepcopy(stitch).half()

    def forward(self, x: Tensor) -> Tensor:
        return self.stitch(x.half()).float()
