"""Two processes validate and test over a number of images that does not divide evenly."""

from contextlib import suppress
from pathlib import Path

import lightning as L
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import ContinueEvaluation
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import FittingRule, PairedRule
from tests.distributed.two_processes import make_trainer

IMAGES = 101
RECIPE = OptimizerRecipe("adamw", lr=1e-2, warmup_epochs=0)


class OddDigits(DigitsDataModule):
    """As many test images of the digits as no two processes share evenly."""

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        self.test_set.images = self.test_set.images[:IMAGES]
        self.test_set.classes = self.test_set.classes[:IMAGES]


def make_transformers() -> SNNet:
    torch.manual_seed(0)
    return SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule()).eval()


def make_convolutions() -> SNNet:
    """Its batch normalisation keeps statistics of what each process saw."""
    torch.manual_seed(0)
    anchors = create_anchors(["test_resnet", "test_resnet"], (3, 32, 32), 10, "random", {"layers": [2, 2, 1, 1]})
    return SNNet(anchors, FittingRule())


class RecordValidation(L.Callback):
    """Keeps the scores of the last validation, and the weights that the first process had then."""

    def on_validation_epoch_end(self, trainer, module):
        self.scores = rows(module.validation_metrics.scores())
        self.weights = {name: tensor.clone() for name, tensor in module.net.state_dict().items()}


def rows(scores):
    return [[score.acc1, score.acc5, score.loss, score.images] for score in scores]


class StoppedError(Exception):
    pass


class Count(L.Callback):
    """Counts the batches of a test, and ends it after some, in the second process one batch later than in the first."""

    def __init__(self, last: int | None = None):
        self.last, self.seen = last, 0

    def on_test_batch_end(self, trainer, module, *_):
        self.seen += 1
        if self.last is not None and self.seen == self.last + trainer.global_rank:
            raise StoppedError


def evaluate_interrupted(directory: str) -> dict:
    module, count = SNNetModule(make_transformers(), UniformSampler(1), RECIPE), Count()
    with suppress(StoppedError):
        trainer = make_trainer(ContinueEvaluation(directory, 0), Count(2))
        trainer.test(module, datamodule=OddDigits(batch_size=8), verbose=False)
    trainer = make_trainer(ContinueEvaluation(directory, 0), count)
    trainer.test(module, datamodule=OddDigits(batch_size=8), verbose=False)
    return {"batches": count.seen, "test": rows(module.scores)}


def evaluate_without_training() -> dict:
    module = SNNetModule(make_transformers(), UniformSampler(1), RECIPE)
    record = RecordValidation()
    trainer = make_trainer(record)
    trainer.validate(module, datamodule=OddDigits(batch_size=16), verbose=False)
    trainer.test(module, datamodule=OddDigits(batch_size=16), verbose=False)
    return {"validate": record.scores, "test": rows(module.scores)}


def evaluate_after_training() -> dict:
    """Validation within fit, then further steps without, then the test as train.py runs it."""
    module = SNNetModule(make_convolutions().train(), UniformSampler(1), RECIPE)
    record = RecordValidation()
    make_trainer(record).fit(module, datamodule=OddDigits((3, 32, 32), batch_size=16))
    trainer = make_trainer(limit_val_batches=0)
    data = OddDigits((3, 32, 32), batch_size=16)
    trainer.fit(module, datamodule=data)
    weights = {name: tensor.clone() for name, tensor in module.net.state_dict().items()}
    trainer.test(module, datamodule=data, verbose=False)
    return {
        "validate": record.scores,
        "validate_weights": record.weights,
        "test": rows(module.scores),
        "test_weights": weights,
    }


def main(directory: Path) -> None:
    found = {"untrained": evaluate_without_training(), "trained": evaluate_after_training()}
    found["interrupted"] = evaluate_interrupted(str(directory))
    if torch.distributed.get_rank() == 0:
        torch.save(found, directory / "scores.pt")
    torch.distributed.barrier()
