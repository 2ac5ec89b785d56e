"""The normalisation of images as the first layer of a stitch."""

import torch
from torch import Tensor, nn

from snnet_lightning.description import Preprocessing


class Normalised(nn.Module):
    """Pixels in 0..1 (N, C, H, W) -> logits (N, classes).

    Args:
        stitch: takes normalised images.
        preprocessing: what they are normalised by.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, stitch: nn.Module, preprocessing: Preprocessing):
        super().__init__()
        self.stitch = stitch
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.stitch((x - self.mean) / self.std)


def pixels_of(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Pixels in 0..1 of images (N, C, H, W) that were normalised."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    return images * std + mean
