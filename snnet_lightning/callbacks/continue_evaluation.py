"""An evaluation that was killed goes on where it was."""

import hashlib
import logging
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from pydantic import NonNegativeFloat

from snnet_lightning.atomic import written_atomically
from snnet_lightning.data.loaders import PartialLoader
from snnet_lightning.model import SNNetModule

log = logging.getLogger(__name__)


class ContinueEvaluation(L.Callback):
    """Keeps the metrics of the test batches so far in a file, one a process, until the results are written.

    What another network, other data, another number of batches or of processes left is not used. Loaders that cannot
    leave out the batches that were evaluated before (all but the ``PartialLoader`` of our DataModules) are evaluated
    from the beginning.

    Args:
        directory: where the file goes.
        every_seconds: how much time at most is lost.
    """

    def __init__(self, directory: str, every_seconds: NonNegativeFloat = 30):
        self.directory, self.every_seconds = Path(directory), every_seconds

    def on_test_start(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        self.active, loader = False, trainer.test_dataloaders
        if not isinstance(loader, PartialLoader):
            return
        self.active = True
        self.path = self.directory / f"evaluation.{trainer.global_rank}.part"
        (batches,) = trainer.num_test_batches  # infinite where a stream does not know
        self.identity = self._identity(trainer, pl_module, loader, batches)
        self.done = self._take_up(pl_module, batches)
        if self.done:
            loader.give_only(self.done, batches if isinstance(batches, int) else None)
            fetcher: Any = trainer.test_loop._data_fetcher
            iter(fetcher)  # Lightning has begun to iterate, and may have taken a batch already
        self.saved = time.monotonic()

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: SNNetModule, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        if not self.active or time.monotonic() - self.saved < self.every_seconds:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        content = {
            "identity": self.identity,
            "batches": self.done + batch_idx + 1,
            "metrics": pl_module.test_metrics.metric_state,
        }
        with written_atomically(self.path) as unfinished:
            torch.save(content, unfinished)
        self.saved = time.monotonic()

    def on_test_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if self.active:
            trainer.strategy.barrier()  # the first process has written the results
            self.path.unlink(missing_ok=True)

    def _take_up(self, pl_module: SNNetModule, batches: float) -> int:
        """Let the metrics go on from the file; returns how many batches they are of, 0 if they start anew."""
        if not self.path.is_file():
            return 0
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            if kept["identity"] != self.identity:
                return 0
            done = kept["batches"]
            if type(done) is not int or not 0 < done <= batches:
                raise ValueError(f"{done} batches")
            pl_module.test_metrics.load_state(kept["metrics"])
        except Exception:  # whatever else the file is, it fails in its own way
            log.warning("%s is not what an evaluation left: the evaluation starts from the beginning", self.path)
            return 0
        return done

    def _identity(self, trainer: L.Trainer, pl_module: SNNetModule, loader: PartialLoader, batches: float) -> str:
        """A digest of all that the metrics depend on."""
        stitches = [stitch.name for stitch in pl_module.net.space]
        digest = hashlib.sha256()
        digest.update(repr((loader.identity, batches, trainer.world_size, trainer.precision, stitches)).encode())
        for name, tensor in pl_module.net.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()
