"""Random numbers of a step (dropout, drop path) as a function of (seed, step, process)."""

import lightning as L

from snnet_lightning.checked import Seed
from snnet_lightning.seeding import seed_generators


class ReseedEveryStep(L.Callback):
    """Seeds PyTorch before every training batch, so that a resumed run draws what the uninterrupted one would have.

    Args:
        seed: seed of the run.
    """

    def __init__(self, seed: Seed):
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: object) -> None:
        seed_generators(hash((self.seed, trainer.fit_loop.total_batch_idx, trainer.global_rank)) % 2**63)
