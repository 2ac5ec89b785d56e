"""Augmentation of images with four channels, which Pillow has few operations for."""

import random
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from snnet_lightning.seeding import seed_generators

Transform = Callable[[Image.Image], Tensor]


class AlphaApart:
    """Transforms the first three channels as a colour image, and the last as a grey one by the same random draws.

    Args:
        colour: image of mode RGB -> (3, H, W).
        grey: image of mode L -> (1, H, W); draws as ``colour`` does.
    """

    def __init__(self, colour: Transform, grey: Transform):
        self.colour, self.grey = colour, grey

    def __call__(self, image: Image.Image) -> Tensor:
        """(4, H, W)."""
        *colour, alpha = image.split()
        seed = random.getrandbits(32)
        seed_generators(seed)
        first = self.colour(Image.merge("RGB", colour))
        seed_generators(seed)
        return torch.cat([first, self.grey(alpha)])
