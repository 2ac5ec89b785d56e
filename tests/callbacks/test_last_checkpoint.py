"""A run that SIGTERM ends between accumulated batches, and how it goes on."""

import os
import signal

import lightning as L
import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import LastCheckpoint
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule


class Terminate(L.Callback):
    def __init__(self, batch):
        self.batch = batch

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if batch_idx == self.batch:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def fit(make_trainer, tmp_path):
    def run(*callbacks, **options):
        torch.manual_seed(0)
        net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule())
        module = SNNetModule(net, UniformSampler(3), OptimizerRecipe("adamw", lr=1e-2, warmup_epochs=0))
        trainer = make_trainer(
            max_epochs=1,
            limit_train_batches=10,
            limit_val_batches=0,
            accumulate_grad_batches=4,
            enable_checkpointing=True,
            callbacks=[LastCheckpoint(str(tmp_path)), *callbacks],
        )
        trainer.fit(module, datamodule=DigitsDataModule(batch_size=16), **options)
        return net.state_dict()

    return run


@pytest.mark.parametrize(("batch", "steps"), [(3, 1), (4, 2), (6, 2)])
def test_the_step_that_is_under_way_is_finished_and_the_resumed_run_ends_the_same(fit, tmp_path, batch, steps):
    whole = fit()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SIGTERMException):
        fit(Terminate(batch))
    assert signal.getsignal(signal.SIGTERM) is before
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == steps
    resumed = fit(ckpt_path=tmp_path / "last.ckpt")
    assert all(torch.equal(resumed[key], value) for key, value in whole.items())
