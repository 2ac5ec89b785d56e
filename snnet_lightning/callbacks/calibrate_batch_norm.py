"""Give stitches BatchNorm statistics of their own before they are evaluated."""

import logging
from collections.abc import Iterable, Iterator, Sequence, Sized
from copy import copy
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.seed import isolate_rng
from pydantic import NonNegativeInt
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from snnet_lightning.callbacks.last_checkpoint import LastCheckpoint
from snnet_lightning.checkpoint_file import PREFIX, STATE, own_state, read_checkpoint
from snnet_lightning.checkpoints.atomic_io import AtomicCheckpointIO
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.metrics import NOT_COUNTED
from snnet_lightning.model import SNNetModule
from snnet_lightning.network.calibrate import Batch, calibrate
from snnet_lightning.network.snnet import ROUTE_STATISTICS, SNNet, without_statistics
from snnet_lightning.stitch.route import Stitch

log = logging.getLogger(__name__)


class CalibrateBatchNorm(L.Callback):
    """Estimates BatchNorm statistics anew for every stitch, and keeps those that are better on held-back images.

    Before a validation within a training for the validated stitches, which is forgotten when training goes on; before
    any other evaluation for all of them, unless that was done for these weights. After a training the files of its last
    and best states get theirs too, each on its own weights.

    The images come from the ``initialisation_dataloader()`` of the DataModule, or, where it has none, are training
    images in an order of their own. Networks without BatchNorm are left alone.

    Args:
        images: training images to use; 0: nothing is done.
    """

    def __init__(self, images: NonNegativeInt = 0):
        self.images = images
        self.trained_on: Any = None  # what Lightning has a training's loader from, and forgets when a test begins

    def on_fit_start(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        self.trained_on = copy(trainer.fit_loop._data_source)
        synchronised = any(isinstance(layer, nn.SyncBatchNorm) for layer in pl_module.net.modules())
        if self._wanted(pl_module.net) and synchronised:
            raise InputError(
                f"calibration.images={self.images}: every process estimates the same statistics, which layers of "
                "trainer.sync_batchnorm=true cannot; leave out one of them"
            )

    def on_validation_start(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.on_test_start(trainer, pl_module)

    def on_validation_batch_start(
        self, trainer: L.Trainer, pl_module: SNNetModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        # Not before the first batch, for until then another callback may put averaged weights in place.
        if self._within_training(trainer, pl_module) and (batch_idx, dataloader_idx) == (0, 0):
            self._calibrate(trainer, pl_module, pl_module.validation_stitches)  # forgotten before anything is trained

    def on_validation_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if self._within_training(trainer, pl_module):
            pl_module.net.route_statistics.clear()  # so that a checkpoint holds those of all stitches, or none

    def on_exception(self, trainer: L.Trainer, pl_module: SNNetModule, exception: BaseException) -> None:
        if self._within_training(trainer, pl_module):
            pl_module.net.route_statistics.clear()

    def on_test_start(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        net = pl_module.net
        if not self._wanted(net) or net.route_statistics.decided:
            return
        with torch.inference_mode(False), torch.no_grad():  # what is kept has to serve training too
            self._calibrate(trainer, pl_module)
            if self.trained_on is not None:
                self._complete_checkpoints(trainer, pl_module)

    def _wanted(self, net: SNNet) -> bool:
        return self.images > 0 and bool(net.route_statistics.layers)

    def _within_training(self, trainer: L.Trainer, pl_module: SNNetModule) -> bool:
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        tuning = pl_module.tuning.under_way(trainer)  # anchors alone have their own then
        return fitting and self._wanted(pl_module.net) and not tuning

    def _calibrate(self, trainer: L.Trainer, pl_module: SNNetModule, stitches: Sequence[Stitch] | None = None) -> None:
        net, precision = pl_module.net, trainer.precision_plugin.forward_context
        with isolate_rng(), precision():  # a training's random numbers are its own
            loader = self._loader(trainer)
            dataset = getattr(loader, "dataset", None)
            known = len(dataset) if isinstance(dataset, Sized) else self.images
            images = min(self.images, known)
            try:
                estimated, held_back = calibrate(net, _batches(loader, trainer, pl_module), images, stitches)
            except InputError as error:
                if self.trained_on is None:
                    raise
                log.warning("%s; all stitches keep the statistics of training", error)  # which is not to be lost
                return
            # All processes saw the same images, but each may have rounded in its own way.
            statistics, decided = net.route_statistics, net.route_statistics.decided
            statistics.load_state_dict(trainer.strategy.broadcast(statistics.state_dict()))
            statistics.decided = decided
        log.info(
            "%d of %d stitches have BatchNorm statistics of their own, from %d images; they were better on %d others",
            len(statistics.calibrated),
            len(stitches or net.space),
            estimated,
            held_back,
        )

    def _loader(self, trainer: L.Trainer) -> Iterable[Any]:
        """Gives training images as an evaluation gets them, the same in all processes."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # a connector sets it
        if hasattr(data, "initialisation_dataloader"):
            return data.initialisation_dataloader()
        if self.trained_on is None:
            raise InputError("calibration.images: needs training images, and the data have none for an evaluation")
        return _in_own_order(self.trained_on.dataloader())

    def _complete_checkpoints(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        """Put the statistics of all stitches into the files that the training has left."""
        net = pl_module.net
        trained = {key: value.clone() for key, value in net.state_dict().items()}
        for path in _checkpoints(trainer):
            content = read_checkpoint(path, str(path)) if trainer.is_global_zero else {}
            state = trainer.strategy.broadcast(without_statistics(content.get(STATE, {}), PREFIX))
            weights = own_state({STATE: state})
            if not all(torch.equal(value, trained[key].cpu()) for key, value in weights.items()):
                net.load_state_dict(weights)
                self._calibrate(trainer, pl_module)
            if trainer.is_global_zero:
                content[STATE] = state | net.route_statistics.state_dict(prefix=f"{PREFIX}{ROUTE_STATISTICS}.")
                AtomicCheckpointIO().save_checkpoint(content, str(path))
            net.load_state_dict(trained)
            net.route_statistics.decided = True


def _batches(loader: Iterable[Any], trainer: L.Trainer, pl_module: SNNetModule) -> Iterator[Batch]:
    """Images as a network gets them, and their classes, without what could not be read."""
    for batch in loader:
        images, classes = pl_module.converted(trainer.strategy.batch_to_device(batch))
        if classes.ndim == 1:
            images, classes = images[classes != NOT_COUNTED], classes[classes != NOT_COUNTED]
        yield images, classes


def _checkpoints(trainer: L.Trainer) -> list[Path]:
    """Files that a training has left, as the first process knows them."""
    last = [callback.path for callback in trainer.checkpoint_callbacks if isinstance(callback, LastCheckpoint)]
    # A run that goes on elsewhere knows the best of its former directory too, which is not its own.
    kept = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.best_model_path]
    best = [path for c in kept if c.dirpath and (path := Path(c.best_model_path)).parent == Path(c.dirpath)]
    return trainer.strategy.broadcast([path for path in (*last, *best) if path.is_file()])


def _in_own_order(loader: Iterable[Any]) -> Iterable[Any]:
    """The batches of a loader, in an order that is the same at every time and in every process, where that can be."""
    if not isinstance(loader, DataLoader) or loader.batch_size is None or isinstance(loader.dataset, IterableDataset):
        return copy(loader)
    dataset: Any = loader.dataset
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    return DataLoader(
        dataset, loader.batch_size, sampler=order.tolist(), num_workers=loader.num_workers, collate_fn=loader.collate_fn
    )
