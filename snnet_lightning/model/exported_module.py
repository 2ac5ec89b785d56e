"""The stitches that were exported, for Lightning to test."""

from pathlib import Path

import lightning as L
from torch import Tensor

from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.metrics import StitchMetrics
from snnet_lightning.evaluation.results import Row
from snnet_lightning.evaluation.summary import summarise
from snnet_lightning.export import load_exported, read_exported


class ExportedModule(L.LightningModule):
    """Tests all files of an export in one pass over the images; after that, ``rows`` has what was found.

    Files run on the CPU, by onnxruntime. Images are as the data give them, normalised.

    Args:
        folder: of the exported stitches.

    Raises:
        InputError: it holds none, or a file in it cannot be read, or is not to be trusted.
    """

    def __init__(self, folder: str | Path):
        super().__init__()
        self.exported = read_exported(folder)
        self.stitches = [load_exported(Path(folder) / file.name) for file in self.exported.files]
        self.test_metrics = StitchMetrics(len(self.stitches))

    @property
    def anchor_ids(self) -> list[int]:
        """Of the files that are of single anchors."""
        return [file.row.id for file in self.exported.files if file.row.name in self.exported.anchors]

    @property
    def network_acc1(self) -> dict[int, float]:
        """Top-1 of the network in percent by the ids of its stitches, as far as it was known at the export."""
        return {file.row.id: file.network_acc1 for file in self.exported.files if file.network_acc1 is not None}

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        images, classes = (part.cpu() for part in batch)
        images = self.exported.prepared(images.float())
        for place, stitch in enumerate(self.stitches):
            logits = stitch(images)
            if logits.shape[1] != self.exported.description.num_classes:
                raise InputError(f"{self.exported.files[place].name}: has {logits.shape[1]} logits, not one a class")
            self.test_metrics.update(place, logits, classes)

    def on_test_epoch_end(self) -> None:
        scores = self.test_metrics.scores()
        self.test_metrics.reset()
        self.rows = [
            Row(file.row.id, file.row.name, file.row.flops, file.row.params, **vars(score))
            for file, score in zip(self.exported.files, scores, strict=True)
        ]
        self.log_dict(summarise(self.rows, self.anchor_ids), sync_dist=True)  # the same everywhere
