"""Top-1, top-5 and loss of many stitches, summed exactly."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from snnet_lightning.float64 import in_float64, summing_device

NOT_COUNTED = -1  # the class of what stands in a batch but is no image to count


@dataclass(frozen=True)
class Score:
    """Accuracies in percent, mean cross-entropy, and over how many images."""

    acc1: float
    acc5: float
    loss: float
    images: int


class StitchMetrics(Metric):
    """One state tensor a metric, one entry a stitch; sums over batches and processes, so nothing is averaged twice.

    The loss is summed in float64, whatever the network's precision is and wherever it lies.
    """

    full_state_update = False
    _defaults: dict[str, Any]
    correct1: Tensor
    correct5: Tensor
    loss: Tensor
    images: Tensor

    def __init__(self, stitches: int):
        super().__init__()
        self.add_state("correct1", torch.zeros(stitches, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("correct5", torch.zeros(stitches, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("loss", torch.zeros(stitches, dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros(stitches, dtype=torch.long), dist_reduce_fx="sum")

    def _apply(self, fn: Callable, exclude_state: Sequence[str] = ()) -> "StitchMetrics":
        """Move with the network, but leave the loss in float64, on a device that has it."""
        super()._apply(fn, (*exclude_state, "loss"))
        device = summing_device(self.device)
        self.loss, self._defaults["loss"] = self.loss.to(device), self._defaults["loss"].to(device)
        return self

    def update(self, stitch: int, logits: Tensor, target: Tensor) -> None:
        """``stitch``: its place in the state; logits (N, classes); target (N), class indices or ``NOT_COUNTED``."""
        best = logits.topk(min(5, logits.shape[1])).indices == target[:, None]
        self.correct1[stitch] += best[:, 0].sum()
        self.correct5[stitch] += best.sum()
        loss = F.cross_entropy(logits.float(), target, reduction="sum", ignore_index=NOT_COUNTED)
        self.loss[stitch] += in_float64(loss)
        self.images[stitch] += (target != NOT_COUNTED).sum()

    def compute(self) -> dict[str, Tensor]:
        """acc1 and acc5 in percent, mean loss, and images: one value a stitch, NaN where no image was seen."""
        images = in_float64(self.images)
        return {
            "acc1": 100 * in_float64(self.correct1) / images,
            "acc5": 100 * in_float64(self.correct5) / images,
            "loss": self.loss / images,
            "images": self.images.clone(),
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from an earlier ``metric_state``.

        Raises:
            ValueError: it is none of these metrics; nothing of it is taken.
        """
        own: dict[str, Any] = self.metric_state
        if {name: (value.shape, value.dtype) for name, value in state.items()} != {
            name: (value.shape, value.dtype) for name, value in own.items()
        }:
            raise ValueError(f"not the state of metrics of {len(own['images'])} stitches")
        for name, value in state.items():
            setattr(self, name, value.to(own[name].device))
        self._update_count = 1

    def scores(self) -> list[Score]:
        """What ``compute`` gives, one score a stitch."""
        # torchmetrics turns a column of a single value into a bare number.
        columns = {name: column.reshape(-1).tolist() for name, column in self.compute().items()}
        return [Score(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
