"""What a sampler drew, and what the draws lost."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch

from snnet_lightning.float64 import in_float64, summing_device
from snnet_lightning.model import SNNetModule
from snnet_lightning.stitch.route import stitch_kind


class LogDrawnStitches(L.Callback):
    """At the end of every training epoch, to every logger: how often each stitch was drawn, and the loss by kind.

    ``drawn/<stitch>`` counts over the whole run and all processes, those before a resume included.
    ``train/loss/<kind>`` is the mean over the epoch's draws of that kind (over those since a resume within the epoch);
    the kind of a stitch is the anchors that it runs, in their order.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def on_train_start(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        kind_of = {stitch: stitch_kind(stitch.name) for stitch in pl_module.net.trained}
        self.kinds = list(dict.fromkeys(kind_of.values()))
        self.place = {stitch.id: self.kinds.index(kind) for stitch, kind in kind_of.items()}
        self.names = [stitch.name for stitch in kind_of]
        self._forget(pl_module)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: SNNetModule, *batch: Any) -> None:
        # Draws are known to every process, so none has to ask the others.
        for rank in range(trainer.world_size):
            self.counts.update(stitch.name for stitch in pl_module.draw(rank))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: SNNetModule, outputs: dict[str, Any], *batch: Any
    ) -> None:
        for stitch, loss in zip(outputs["stitches"], outputs["losses"], strict=True):
            place = self.place[stitch]
            self.losses[place] += in_float64(loss)  # stays on the device, which need not wait for the next step
            self.draws[place] += 1

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SNNetModule) -> None:
        # Every process sums up all kinds in the same order, whichever it drew.
        drawn = torch.tensor(self.draws, device=pl_module.device)
        losses, draws = (trainer.strategy.reduce(x, reduce_op="sum").tolist() for x in (self.losses, drawn))
        means = {
            f"train/loss/{kind}": loss / count
            for kind, loss, count in zip(self.kinds, losses, draws, strict=True)
            if count
        }
        counts = {f"drawn/{name}": self.counts[name] for name in self.names}
        for logger in trainer.loggers:
            logger.log_metrics(means | counts, step=trainer.global_step - 1)  # Lightning's step of an epoch's end
        self._forget(pl_module)

    def state_dict(self) -> dict[str, Any]:
        return {"counts": dict(self.counts)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.counts = Counter(state_dict["counts"])

    def _forget(self, pl_module: SNNetModule) -> None:
        self.losses = torch.zeros(len(self.kinds), dtype=torch.double, device=summing_device(pl_module.device))
        self.draws = [0] * len(self.kinds)
