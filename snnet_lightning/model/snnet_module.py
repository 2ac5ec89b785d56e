"""Training and evaluation of an SN-Net as a LightningModule."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NoReturn

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.optim import Optimizer

from snnet_lightning.checked import Share
from snnet_lightning.checkpoint_file import INITIALISED, MOVING, PREFIX, STATE
from snnet_lightning.checkpoints.training_state import check_optimizer_state, require_training_state
from snnet_lightning.description import KEY, ORIGIN, in_words, read_origin
from snnet_lightning.distillation import Distillation, InPlaceDistillation, train_two_heads
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import Cost, stitch_costs
from snnet_lightning.evaluation.metrics import StitchMetrics
from snnet_lightning.evaluation.results import stitch_rows
from snnet_lightning.evaluation.summary import summarise, summary_names
from snnet_lightning.latency.table import with_latency
from snnet_lightning.model.steps import training_steps
from snnet_lightning.model.strategy import require_strategy
from snnet_lightning.model.tuning import Tuning
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.network.snnet import SNNet, without_statistics
from snnet_lightning.optim import unused
from snnet_lightning.optim.adaptive_clipping import clip_adaptively
from snnet_lightning.optim.recipe import OptimizerRecipe
from snnet_lightning.sampler import AnchorsInTurn, Sampler
from snnet_lightning.stitch.route import Stitch

Batch = tuple[Tensor, Tensor]  # images (N, C, H, W); classes (N), or shares of classes (N, classes) where mixed


class SNNetModule(L.LightningModule):
    """Trains the stitches drawn for a step; validates a few stitches; tests all of them in one pass.

    Works with any DataModule or DataLoaders that give (images, classes). After a test, ``rows`` has what was found.

    Args:
        net: the SN-Net.
        sampler: draws the stitches of each training batch.
        optim: optimiser and schedule.
        label_smoothing: of the training loss.
        validation_stitches: how many stitches, spread evenly over the FLOPs range, to validate beside the anchors.
        distillation: adds a teacher to the training loss.
        batch_size: images of a training batch (of one process); only what scales learning rates needs it.
        tuning_epochs: epochs before the others in which the anchors alone are drawn, in turn, on a schedule of their
            own; the stitching layers are initialised after them.

    Raises:
        InputError: batches of an odd number of images, where BatchNorms split them; anchors with one classifier where
            two are to be taught.
    """

    def __init__(
        self,
        net: SNNet,
        sampler: Sampler,
        optim: OptimizerRecipe,
        label_smoothing: Share = 0.1,
        validation_stitches: NonNegativeInt = 4,
        distillation: Distillation | InPlaceDistillation | None = None,
        batch_size: PositiveInt | None = None,
        tuning_epochs: NonNegativeInt = 0,
    ):
        super().__init__()
        if net.split_batchnorm and batch_size is not None and batch_size % 2:
            raise InputError(
                f"data.batch_size={batch_size}: must be even, since net.split_batchnorm=true halves a batch"
            )
        train_two_heads(net, apart=distillation is not None and distillation.two_heads)
        self.net = net
        self.sampler = sampler
        self.optim = optim
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.distillation = distillation
        self.batch_size = batch_size
        self.tuning = Tuning(tuning_epochs)
        self.validation_count = validation_stitches
        self._moving: list[str] = []  # the parameters that a resumed training had used before
        self.validation_metrics = StitchMetrics(len(self.validation_stitches))
        self.test_metrics = StitchMetrics(len(net.space))

    @property
    def anchor_ids(self) -> list[int]:
        """Of the stitches that are single anchors."""
        return [stitch.id for stitch in self.net.space.anchors]

    @property
    def metric_names(self) -> list[str]:
        """Of all that a training logs by ``log``."""
        anchors = [stitch.name for stitch in self.net.space.anchors]
        return ["train/loss", "val/acc1", *(f"val/acc1/{name}" for name in anchors), *summary_names(anchors)]

    @cached_property
    def costs(self) -> dict[Stitch, Cost]:
        return stitch_costs(self.net)

    @cached_property
    def trained_flops(self) -> dict[Stitch, int]:
        """FLOPs of the stitches that have something to train, in id order."""
        return {stitch: self.costs[stitch].flops for stitch in self.net.trained}

    @cached_property
    def validation_stitches(self) -> list[Stitch]:
        """The anchors, then stitches at even steps of rank by FLOPs."""
        others = sorted((s for s in self.net.space if not s.is_anchor), key=lambda s: self.costs[s].flops)
        count = min(self.validation_count, len(others))
        spread = [others[(2 * i + 1) * len(others) // (2 * count)] for i in range(count)]
        return [*self.net.space.anchors, *spread]

    def setup(self, stage: str) -> None:
        """Refuse samplers and strategies that cannot work.

        Raises:
            InputError: the sampler finds nothing to draw; a strategy that was not made for networks of which a step
                uses a part.
        """
        if stage == "fit":
            self._require_draws()
        try:
            require_strategy(self.trainer)
        except InputError as error:
            self._refuse(str(error))
        for metrics in (self.validation_metrics, self.test_metrics):
            metrics.reset()  # of what was interrupted before

    def _require_draws(self) -> None:
        try:
            drawn = self.sampler.draw(self.trained_flops, step=0)
            if self.tuning.epochs:
                AnchorsInTurn().draw(self.trained_flops, step=0)
        except InputError as error:
            self._refuse(str(error))
        taught_in_place = isinstance(self.distillation, InPlaceDistillation)
        if taught_in_place and (drawn[0] != self.net.space.anchors[-1] or len(drawn) == 1):
            self._refuse(
                "distillation=in_place: every step must draw the largest anchor first, as sampler=sandwich does; "
                "distillation=soft distillation.teacher=anchor works with any sampler"
            )

    def _refuse(self, why: str) -> NoReturn:
        """All processes end; the first one says why."""
        if self.trainer.is_global_zero:
            raise InputError(why)
        raise SystemExit(1)

    def on_fit_start(self) -> None:
        """Get the teacher now, so that no copy made at setup holds one, and only if there is something to train."""
        if 0 in (self.trainer.max_epochs, self.trainer.max_steps, self.trainer.limit_train_batches):
            return
        self.tuning.tell(*training_steps(self.trainer))
        self.sampler.start(self.trained_flops)
        if self.distillation:
            self.distillation.start(self.net)

    def on_train_start(self) -> None:
        if self.tuning.under_way(self.trainer):
            self.net.initialised = False  # whatever the stitching layers are, their anchors will be others
        self.net.route_statistics.clear()  # which are of the weights that were
        self.net.rows = ()
        if self.global_step:  # the training may have become longer than that of the checkpoint
            self.lr_scheduler_step(self.lr_schedulers(), None)
        unused.set_moving(self.net, self._moving if self.optim.unused == "move" else ())
        self._moving = []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Begin the phase after the tuning as a training of its own, without moments of other gradients."""
        if self.tuning.was_before(self.trainer, batch_idx):
            self.trainer.optimizers[0].state.clear()
            unused.set_moving(self.net, ())

    def draw(self, rank: int) -> tuple[Stitch, ...]:
        """The stitches that process ``rank`` trains on the present batch."""
        if self.tuning.under_way(self.trainer):
            return AnchorsInTurn().draw(self.trained_flops, self.global_step, rank)
        return self.sampler.draw(self.trained_flops, self.trainer.fit_loop.total_batch_idx, rank)

    def converted(self, batch: Batch) -> Batch:
        """A batch in the precision of the trainer; Lightning converts it before the DataModule normalises and mixes."""
        return self.trainer.precision_plugin.convert_input(batch)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """The drawn ``stitches`` by their ids, the ``losses`` of each, and their mean, the ``loss``.

        For all stitches but the last the backward pass is done here, so that a step needs the memory of one, however
        many are drawn.
        """
        images, classes = self.converted(batch)
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            self.trainer.optimizers[0].zero_grad(set_to_none=self.optim.unused == "stand_still")
        self._drawn = self.draw(self.global_rank)
        tuning = self.tuning.under_way(self.trainer)
        if not tuning:
            self.net.initialised = True  # what training changes from here on is not to be initialised again
        done, losses = 0.0, []
        for stitch in self._drawn:
            logits = self.net(images, stitch)
            logits, taught = logits if isinstance(logits, tuple) else (logits, logits)
            with self._told_of_unknown(classes):
                loss = self.loss(logits, classes)
            if self.distillation and not (tuning and isinstance(self.distillation, InPlaceDistillation)):
                loss = self.distillation(loss, taught, images, stitch)
            losses.append(loss.detach())
            share = loss / len(self._drawn)
            if stitch is not self._drawn[-1]:
                self.trainer.strategy.backward(share / self.trainer.accumulate_grad_batches, None)
                done += share.detach()
        loss = done + share  # the value of the whole, the gradient of what is left
        self.log("train/loss", loss)
        return {"loss": loss, "stitches": tuple(stitch.id for stitch in self._drawn), "losses": torch.stack(losses)}

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Nothing: Lightning calls it after ``training_step``, which has zeroed and made gradients already."""

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if not self.tuning.under_way(self.trainer):
            self.sampler.observe(self._drawn, self.net.parameters_of(*self._drawn))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["sampler"] = self.sampler.state_dict()
        if self.optim.unused == "move":
            checkpoint[MOVING] = unused.moving(self.net)
        checkpoint[KEY] = self.net.description.as_data()
        checkpoint[ORIGIN] = self.net.origin.model_copy(update={"measured_on": None}).model_dump(mode="json")
        checkpoint[INITIALISED] = self.net.initialised

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the sampler's state, and what had been used before.

        Raises:
            InputError: training is to go on from what no training has left.
        """
        if self.trainer.state.fn == TrainerFn.FITTING:
            require_training_state(checkpoint, self.trainer)
            # Of these weights, which change now; neither the network nor an average of it is to keep them.
            checkpoint[STATE] = without_statistics(checkpoint[STATE], PREFIX)
            self._moving = checkpoint.get(MOVING, [])
        self.sampler.load_state_dict(checkpoint.get("sampler", {}))
        self.net.initialised = checkpoint.get(INITIALISED) is not False
        self.net.origin = read_origin(checkpoint.get(ORIGIN, {}), "ckpt_path")

    @property
    def _validated(self) -> list[Stitch]:
        """Of the stitches to validate, those that are more than random by now."""
        tuning = self.trainer.state.fn == TrainerFn.FITTING and self.tuning.under_way(self.trainer)
        return self.validation_stitches[: len(self.anchor_ids) if tuning else None]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, self._validated, self.validation_metrics)

    def on_validation_epoch_end(self) -> None:
        scores = self.validation_metrics.scores()[: len(self._validated)]
        self.validation_metrics.reset()
        for stitch, score in zip(self._validated, scores, strict=True):
            if stitch.is_anchor:
                self.log(f"val/acc1/{stitch.name}", score.acc1, sync_dist=True)  # the same on all processes
        self.log("val/acc1", sum(s.acc1 for s in scores) / len(scores), prog_bar=True, sync_dist=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, self.net.space, self.test_metrics)

    def on_test_epoch_end(self) -> None:
        self.scores = self.test_metrics.scores()
        self.test_metrics.reset()
        rows = stitch_rows(self.costs, self.scores, self.net.route_statistics.calibrated)
        self.rows = with_latency(rows, self.net.latency)
        images = getattr(self.trainer.datamodule, "test_images", None)  # type: ignore[attr-defined]  # a connector sets it
        self.net.rows, self.net.origin = (
            self.rows,
            self.net.origin.model_copy(update={"measured_on": images and in_words(images)}),
        )
        self.log_dict(summarise(self.rows, self.anchor_ids), sync_dist=True)  # the same everywhere

    def _score(self, batch: Batch, stitches: Any, metrics: StitchMetrics) -> None:
        images, classes = self.converted(batch)
        place = {stitch: i for i, stitch in enumerate(stitches)}
        for stitch, logits in forward_all(self.net, images, stitches):
            with self._told_of_unknown(classes):
                metrics.update(place[stitch], logits, classes)

    @contextmanager
    def _told_of_unknown(self, classes: Tensor) -> Iterator[None]:
        """Tell of a class that the heads do not have, where the loss fails for it; looking first would cost time."""
        try:
            yield
        except IndexError as error:
            heads = self.net.anchors[-1].num_classes
            if classes.max() < heads:
                raise
            raise InputError(
                f"the data has an image of class {classes.max()}, but the anchors' heads have {heads}, from 0 on: "
                "anchors.num_classes makes heads for more"
            ) from error

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser and schedule, for this run's steps and images per step.

        Raises:
            InputError: gradients are to be clipped in two ways at once; the recipe's optimiser is unknown; nobody said
                how many images a step has, or how many steps there are.
        """
        if self.optim.agc_clip_factor is not None and self.trainer.gradient_clip_val:
            raise InputError(
                "optim.agc_clip_factor and trainer.gradient_clip_val both clip gradients: set one of them to null"
            )
        if self.optim.lr_base_batch is not None and self.batch_size is None:
            raise InputError(
                f"optim.lr_base_batch={self.optim.lr_base_batch} scales learning rates with the images of a step: give "
                "SNNetModule batch_size, the images of a training batch"
            )
        images = self.batch_size and self.batch_size * self.trainer.world_size * self.trainer.accumulate_grad_batches
        total, per_epoch = training_steps(self.trainer)
        optimizer, schedule = self.optim.build(self.net, total, per_epoch, images, self.tuning.epochs * per_epoch)
        check_optimizer_state(optimizer, self.trainer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        if self.optim.agc_clip_factor is None:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            clip_adaptively(self.net, self.optim.agc_clip_factor, self.optim.agc_spares_classifiers)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        scheduler.step_update(num_updates=self.global_step)
