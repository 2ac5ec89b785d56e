"""An exponential moving average (EMA) of all weights, which is what is evaluated."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from snnet_lightning.checked import Share
from snnet_lightning.model import SNNetModule


class AverageWeights(WeightAveraging):
    """Averages anchors, stitching layers and running statistics after every optimiser step.

    Validation, the test after training and a checkpoint's ``state_dict`` have the average; a run that goes on from the
    checkpoint goes on with both. The first step's weights start the average; after the epochs that tune the anchors it
    starts anew, for the stitching layers were random before.

    Args:
        decay: share of the average that a step keeps, so that it spans about 1 / (1 - decay) steps.
    """

    _average_model: Any  # an average of an SNNetModule, which Lightning makes before anything here is called

    def __init__(self, decay: Share = 0.999):
        average = get_ema_multi_avg_fn(decay)

        def update(averages: list[Tensor], current: list[Tensor], count: Tensor) -> None:
            if averages[0].is_floating_point():
                average(averages, current, count)
            else:  # indices and counters: a mean would be rounded down to another one
                for old, new in zip(averages, current, strict=True):
                    old.copy_(new)

        super().__init__(multi_avg_fn=update)
        self._swapped = False

    def on_fit_start(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        self._average_model.to(pl_module.device)  # Lightning made it before the module was moved there
        self._average_model.module.net.route_statistics.clear()  # which are of the weights before

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if pl_module.tuning.ends(trainer):
            self._start_anew(pl_module)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: SNNetModule, batch: Any, batch_idx: int) -> None:
        if pl_module.tuning.was_before(trainer, batch_idx):
            self._start_anew(pl_module)

    def _start_anew(self, pl_module: SNNetModule) -> None:
        self._average_model.n_averaged.zero_()
        self._average_model.update_parameters(pl_module)

    def _swap_models(self, pl_module: L.LightningModule) -> None:
        super()._swap_models(pl_module)
        self._swapped = not self._swapped

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if self._swapped:  # within a validation; a checkpoint may be written after this
            self._swap_models(pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        """Nothing yet: a last checkpoint may be written after this, and has to hold the current weights as well."""

    def on_fit_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if self._average_model.n_averaged:  # without a step, it holds what was there before the initialisation
            super().on_train_end(trainer, pl_module)
