"""Initialise the stitching layers on training images before the first step."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import lightning as L

from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import write_jsonl
from snnet_lightning.network.initialise import initialise_by_least_squares

log = logging.getLogger(__name__)


class InitialiseStitchingLayers(L.Callback):
    """Runs once, when fitting starts (with ``max_epochs=0`` too); never on a resumed run.

    The stitching layers of a resumed run come from its checkpoint.
    The DataModule gives the images by ``initialisation_dataloader()``.

    Args:
        method: ``least_squares`` between the anchors' activations (SN-Net, section 3.3), or ``random``.
        samples: training images that least squares sees.
        directory: where ``stitching_layers.jsonl`` says how well every layer fits; nowhere if None.

    Raises:
        InputError: another method, or fewer than one sample.
    """

    def __init__(
        self,
        method: Literal["least_squares", "random"] = "least_squares",
        samples: int = 100,
        directory: str | None = None,
    ):
        if method not in ("least_squares", "random"):
            raise InputError(f"callbacks.initialise.method={method}: must be least_squares or random")
        if samples < 1:
            raise InputError(f"callbacks.initialise.samples={samples}: least squares needs at least 1 sample")
        self.method, self.samples, self.directory = method, samples, directory

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.method == "random" or trainer.ckpt_path is not None:
            return
        net = pl_module.net
        loader = trainer.datamodule.initialisation_dataloader()
        convert = trainer.precision_plugin.convert_input  # a true precision has that of the weights
        images = (convert(trainer.strategy.batch_to_device(batch)[0]) for batch in loader)
        seen, residuals = initialise_by_least_squares(net, images, self.samples)
        # Each process saw its own images; all go on from what the first one found.
        net.stitching_layers.load_state_dict(trainer.strategy.broadcast(net.stitching_layers.state_dict()))
        if self.directory and trainer.is_global_zero:
            write_jsonl([asdict(residual) for residual in residuals], Path(self.directory) / "stitching_layers.jsonl")
        log.info("initialised %d stitching layers by least squares on %d images", len(net.stitching_layers), seen)
