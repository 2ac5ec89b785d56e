"""The low-rank option of a stitching layer (SN-Netv2)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LowRankLinear(nn.Linear):
    """y = W x + b + (1/r) B A x with W frozen; b, A (r, in) and B (out, r) are trained.

    The term is never merged into W in place, so that training, evaluation, saving and loading can follow one another in
    any order; ``folded`` gives the one matrix for export.
    """

    def __init__(self, in_features: int, out_features: int, rank: int):
        super().__init__(in_features, out_features)
        self.weight.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.empty(rank, in_features))
        self.lora_B = nn.Parameter(torch.zeros(out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + F.linear(F.linear(x, self.lora_A), self.lora_B) / len(self.lora_A)

    @torch.no_grad()
    def folded(self) -> nn.Linear:
        """A plain layer with the same output."""
        layer = nn.Linear(self.in_features, self.out_features, device=self.weight.device, dtype=self.weight.dtype)
        layer.weight.copy_(self.weight + self.lora_B @ self.lora_A / len(self.lora_A))
        layer.bias.copy_(self.bias)
        return layer
