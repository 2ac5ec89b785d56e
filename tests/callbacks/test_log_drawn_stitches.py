"""Drawn counts and losses by kind against the draws themselves."""

import csv
from collections import Counter, defaultdict

import lightning as L
import pytest
from lightning.pytorch.loggers import CSVLogger

from snnet_lightning.callbacks import LogDrawnStitches
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import SandwichSampler, UniformSampler

RECIPE = OptimizerRecipe("sgd", lr=1e-3, warmup_epochs=0)
KINDS = [
    "digits_tiny",
    "digits_small",
    "digits_base",
    "digits_tiny > digits_small",
    "digits_small > digits_base",
]


class Record(L.Callback):
    """Notes, for every epoch, the stitches that were drawn and their losses."""

    def __init__(self):
        self.epochs = defaultdict(list)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        stitches = [module.net.space[i] for i in outputs["stitches"]]
        drawn = list(zip(stitches, outputs["losses"].tolist(), strict=True))
        self.epochs[trainer.current_epoch] += drawn
        assert outputs["loss"].item() == pytest.approx(sum(loss for _, loss in drawn) / len(drawn), rel=1e-5)


@pytest.fixture
def fit(digits_net, make_trainer, tmp_path):
    def run(sampler, epochs, ckpt_path=None, version="0"):
        module, record = SNNetModule(digits_net, sampler, RECIPE), Record()
        trainer = make_trainer(
            max_epochs=epochs,
            limit_train_batches=4,
            limit_val_batches=0,
            log_every_n_steps=1,
            logger=CSVLogger(tmp_path, name="", version=version),
            callbacks=[LogDrawnStitches(), record],
        )
        trainer.fit(module, datamodule=DigitsDataModule(batch_size=16), ckpt_path=ckpt_path)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        with open(tmp_path / version / "metrics.csv") as file:
            return record.epochs, [row for row in csv.DictReader(file) if row["drawn/digits_tiny"]]

    return run


def check(drawn_before, epochs, rows, space):
    counts = Counter(drawn_before)
    for drawn, row in zip(epochs.values(), rows, strict=True):
        counts.update(stitch.name for stitch, _ in drawn)
        assert {stitch.name: int(row[f"drawn/{stitch.name}"]) for stitch in space} == {
            stitch.name: counts[stitch.name] for stitch in space
        }
        for kind in KINDS:
            names = kind.split(" > ")
            losses = [loss for stitch, loss in drawn if [f"digits_{'tsb'[a]}" for a in stitch.anchors] == short(names)]
            found = row.get(f"train/loss/{kind}")
            assert (float(found) == pytest.approx(sum(losses) / len(losses), rel=1e-5)) if losses else not found
    return counts


def short(names):
    return [name[: len("digits_") + 1] for name in names]


@pytest.mark.parametrize("sampler", [UniformSampler(3), SandwichSampler(3, 2)])
def test_counts_and_losses_of_every_epoch_and_after_a_resume(fit, digits_net, tmp_path, sampler):
    epochs, rows = fit(sampler, 2)
    counts = check({}, epochs, rows, digits_net.space)
    assert counts.total() == 8 * len(sampler.draw(dict.fromkeys(digits_net.space, 1), 0))
    assert [int(row["step"]) for row in rows] == [3, 7]
    epochs, rows = fit(sampler, 3, tmp_path / "2.ckpt", version="1")
    check(counts, epochs, rows, digits_net.space)
