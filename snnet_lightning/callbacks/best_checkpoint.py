"""The checkpoint of the best validation, and one also where there was no validation."""

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from snnet_lightning.model import SNNetModule


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, for validations of stitches.

    While the anchors are tuned it writes nothing. The last state is written at the end of a training that saw no other
    validation. Arguments as there.
    """

    def on_validation_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if not pl_module.tuning.under_way(trainer):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if not pl_module.tuning.under_way(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if self.best_model_score is None and not trainer.fast_dev_run:  # type: ignore[attr-defined]  # a connector sets it
            self.best_model_path = self.format_checkpoint_name({})
            trainer.save_checkpoint(self.best_model_path, weights_only=False)
