"""Checkpoints that are whole or not there."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from snnet_lightning.atomic import written_atomically


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, then renames: a kill while writing leaves the former checkpoint.

    Lightning's own way goes through the folder for temporary files, which may be on another disk, and then copies.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with written_atomically(Path(path)) as unfinished:
            torch.save(checkpoint, unfinished)
