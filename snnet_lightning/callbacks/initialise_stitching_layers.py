"""Initialise the stitching layers on training images before the first stitch is trained."""

import logging
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import lightning as L
from lightning.pytorch.utilities.seed import isolate_rng
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor
from torch.utils.data import DataLoader

from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import write_jsonl
from snnet_lightning.model import SNNetModule
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.network.refine import refine

log = logging.getLogger(__name__)


class InitialiseStitchingLayers(L.Callback):
    """Runs when fitting starts, with ``max_epochs=0`` too, or after the last epoch that tunes the anchors.

    Layers that were fitted, trained or loaded before stay as they are, unless the anchors were tuned since.

    The images come from the ``initialisation_dataloader()`` of the DataModule, or, where it has none, are the first
    training images.

    Args:
        method: ``least_squares`` between the anchors' activations (SN-Net, section 3.3), ``refined`` from there until
            every stitch predicts what its last anchor does, without labels, or ``random``.
        samples: training images that least squares sees.
        steps, lr: of refining, which goes round all training images; see ``refine``.
        directory: where ``stitching_layers.jsonl`` says how well every layer fits; nowhere if None.
    """

    def __init__(
        self,
        method: Literal["least_squares", "refined", "random"] = "least_squares",
        samples: PositiveInt = 100,
        directory: str | None = None,
        steps: PositiveInt = 200,
        lr: PositiveFloat = 0.03,
    ):
        self.method, self.samples, self.directory = method, samples, directory
        self.steps, self.lr = steps, lr

    def on_fit_start(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if not pl_module.tuning.epochs:
            self._initialise(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        if pl_module.tuning.ends(trainer):
            self._initialise(trainer, pl_module)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: SNNetModule, *batch: Any) -> None:
        # Lightning leaves out the hooks of epochs where it goes on from the end of one.
        if not pl_module.tuning.under_way(trainer):
            self._initialise(trainer, pl_module)

    def on_fit_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        self._initialise(trainer, pl_module)  # where there was no epoch

    def _initialise(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        net = pl_module.net
        if self.method == "random" or net.initialised:
            return
        seen, residuals = initialise_by_least_squares(net, _images(trainer, pl_module), self.samples)
        log.info("initialised %d stitching layers by least squares on %d images", len(net.stitching_layers), seen)
        if self.method == "refined":
            self._refine(trainer, pl_module, seen)
        # All processes saw the same images, but each may have rounded in its own way.
        net.stitching_layers.load_state_dict(trainer.strategy.broadcast(net.stitching_layers.state_dict()))
        if self.directory and trainer.is_global_zero:
            write_jsonl([asdict(residual) for residual in residuals], Path(self.directory) / "stitching_layers.jsonl")

    def _refine(self, trainer: L.Trainer, pl_module: SNNetModule, seen: int) -> None:
        with isolate_rng():  # loaders draw, as often as the images are gone round
            batches = _again_and_again(trainer, pl_module)
            while seen > 0:  # by least squares, which is better on these than on others
                seen -= len(next(batches))
            before, after = refine(pl_module.net, batches, self.steps, self.lr)
        text = "refined them in %d steps, without labels: mean divergence %.3g before, %.3g after"
        log.info(text + ("" if after < before else ", so they stay as they were"), self.steps, before, after)


def _images(trainer: L.Trainer, pl_module: SNNetModule) -> Iterator[Tensor]:
    """Batches of images as a step gets them."""
    for batch in _batches(trainer):
        images, _ = pl_module.converted(trainer.strategy.batch_to_device(batch))
        yield images


def _again_and_again(trainer: L.Trainer, pl_module: SNNetModule) -> Iterator[Tensor]:
    """Batches of images, from the first again after the last."""
    while True:
        images = None
        for images in _images(trainer, pl_module):
            yield images
        if images is None:
            raise InputError("callbacks.initialise.method=refined: the training data can be read only once")


def _batches(trainer: L.Trainer) -> Iterable[Any]:
    data = trainer.datamodule  # type: ignore[attr-defined]  # a connector sets it
    if hasattr(data, "initialisation_dataloader"):
        return data.initialisation_dataloader()
    # Not trainer.train_dataloader, which is None where no training batch is asked for.
    loader = copy(trainer.fit_loop._data_source.dataloader())
    if isinstance(loader, DataLoader):
        loader._iterator = None  # persistent workers go on with what they began for the first epoch
    return loader
