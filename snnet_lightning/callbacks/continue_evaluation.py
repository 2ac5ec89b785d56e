"""An evaluation that was killed goes on where it was."""

import hashlib
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch

from snnet_lightning.atomic import written_atomically


class ContinueEvaluation(L.Callback):
    """Keeps the metrics of the test batches so far in a file, one a process, until the results are written.

    What another network, other data or another number of processes left is not used.

    Args:
        directory: where the file goes.
        every_seconds: how much time at most is lost.
    """

    def __init__(self, directory: str, every_seconds: float = 30):
        self.directory, self.every_seconds = Path(directory), every_seconds

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage != "test":
            return
        self.path = self.directory / f"evaluation.{trainer.global_rank}.part"
        self.identity = self._identity(trainer, pl_module)
        self.done = 0
        kept = torch.load(self.path, weights_only=True) if self.path.is_file() else {}
        if kept.get("identity") == self.identity:
            pl_module.test_metrics.load_state(kept["metrics"])
            self.done = kept["batches"]
        trainer.datamodule.evaluated_batches = self.done
        self.saved = time.monotonic()

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        if batch_idx < self.done or time.monotonic() - self.saved < self.every_seconds:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        content = {
            "identity": self.identity,
            "batches": batch_idx + 1,
            "metrics": pl_module.test_metrics.metric_state,
        }
        with written_atomically(self.path) as unfinished:
            torch.save(content, unfinished)
        self.saved = time.monotonic()

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.strategy.barrier()  # the first process has written the results
        self.path.unlink(missing_ok=True)

    def _identity(self, trainer: L.Trainer, pl_module: L.LightningModule) -> str:
        """A digest of all that the metrics depend on."""
        digest = hashlib.sha256()
        data = trainer.datamodule
        digest.update(repr((data.identity, trainer.world_size, [s.name for s in pl_module.net.space])).encode())
        for name, tensor in pl_module.net.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()
