"""The first epochs of a training, in which the anchors alone are tuned."""

import logging
from dataclasses import dataclass

import lightning as L

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuning:
    """The first ``epochs``; what follows them is a training of its own."""

    epochs: int

    def under_way(self, trainer: L.Trainer) -> bool:
        """Whether the present epoch is one of them."""
        return trainer.current_epoch < self.epochs

    def ends(self, trainer: L.Trainer) -> bool:
        """At the end of an epoch: whether it was the last of them, also where the training ends before all were."""
        epochs, steps = trainer.current_epoch + 1, trainer.global_step
        stops = trainer.should_stop and epochs >= (trainer.min_epochs or 0) and steps >= (trainer.min_steps or 0)
        ended = stops or epochs == trainer.max_epochs or steps == trainer.max_steps
        return epochs == self.epochs or (self.under_way(trainer) and ended)

    def was_before(self, trainer: L.Trainer, batch_idx: int) -> bool:
        """At the start of a batch: whether it is the first one after them.

        Lightning leaves out the hooks of epochs where it goes on from the end of one, but none of a batch.
        """
        return batch_idx == 0 and trainer.current_epoch == self.epochs > 0

    def tell(self, total_steps: int, steps_per_epoch: int) -> None:
        """Say that the anchors are tuned, and whether stitches are trained after it."""
        if self.epochs:
            then = "then training stitches" if self.epochs * steps_per_epoch < total_steps else "and no stitches"
            log.info("tuning the anchors in turn for %d epochs, %s", self.epochs, then)
