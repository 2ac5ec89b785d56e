"""Keep in every checkpoint what its run was composed of."""

from collections.abc import Sequence
from typing import Any

import lightning as L

KEY = "overrides"


class RememberOverrides(L.Callback):
    """Stores the run's Hydra overrides in its checkpoints, so that evaluation can compose the same network again.

    Args:
        overrides: as typed on the command line.
    """

    def __init__(self, overrides: Sequence[str]):
        self.overrides = list(overrides)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = self.overrides
