"""What a job sets for its whole process."""

import lightning as L
import torch
from pydantic import PositiveInt

from snnet_lightning.checked import Seed


def set_up_process(seed: Seed, num_threads: PositiveInt | None = None) -> None:
    """Seed every generator; take so many threads on the CPU, or as many as PyTorch chooses."""
    torch.set_num_threads(num_threads or torch.get_num_threads())
    L.seed_everything(seed, workers=True, verbose=False)
