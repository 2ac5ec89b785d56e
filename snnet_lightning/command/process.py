"""What a job sets for its whole process."""

from typing import Annotated

import lightning as L
import torch
from pydantic import Field

from snnet_lightning.checked import Seed

MOST_THREADS = 1024  # with 10000, PyTorch never comes back


def set_up_process(seed: Seed, num_threads: Annotated[int, Field(gt=0, le=MOST_THREADS)] | None = None) -> None:
    """Seed every generator; take so many threads on the CPU, or as many as PyTorch chooses."""
    torch.set_num_threads(num_threads or torch.get_num_threads())
    L.seed_everything(seed, workers=True, verbose=False)
