"""A last checkpoint before a cluster takes the machine away."""

from pathlib import Path

import lightning as L
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException

from snnet_lightning.checkpoints.last import FILENAME


class SaveOnSigterm(L.Callback):
    """On SIGTERM Lightning finishes the batch and stops; this saves that state.

    Args:
        directory: of the checkpoints.
    """

    def __init__(self, directory: str):
        self.path = Path(directory) / FILENAME

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException) and trainer.state.fn == TrainerFn.FITTING:
            trainer.save_checkpoint(self.path)
