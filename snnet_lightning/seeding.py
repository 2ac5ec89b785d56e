"""Seed every generator that augmentation and training draw from."""

import random

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """Seed Python, NumPy and PyTorch; as often as for every image, for which ``torch.manual_seed`` is too slow.

    On machines without CUDA in use, that keeps a stack trace for later each time, which takes milliseconds.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
