"""best.ckpt: of the best validation, else of the end."""

import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import AverageWeights, BestCheckpoint, LastCheckpoint
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule


@pytest.fixture
def fit(make_trainer):
    def run(directory, *callbacks, ckpt_path=None, lr=1e-2, **options):
        torch.manual_seed(0)
        net = SNNet(create_anchors(["digits_tiny"] * 2, (1, 8, 8), 10, "checkpoint", {"depth": 2}), PairedRule())
        module = SNNetModule(net, UniformSampler(3), OptimizerRecipe("sgd", lr=lr, warmup_epochs=0))
        best = BestCheckpoint(str(directory), "best", "val/acc1", mode="max", enable_version_counter=False)
        own = [best, LastCheckpoint(str(directory)), *callbacks]
        defaults = {"limit_train_batches": 2, "limit_val_batches": 2, "num_sanity_val_steps": 0}
        trainer = make_trainer(callbacks=own, enable_checkpointing=True, **defaults | options)
        trainer.fit(module, datamodule=DigitsDataModule(batch_size=16), ckpt_path=ckpt_path)
        return net

    return run


def steps(path):
    return torch.load(path, weights_only=True)["global_step"]


def test_without_a_validation_it_is_the_last_state(fit, tmp_path):
    net = fit(tmp_path, max_epochs=3, check_val_every_n_epoch=5)
    content = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert content["global_step"] == 6
    assert all(torch.equal(content["state_dict"][f"net.{key}"], value) for key, value in net.state_dict().items())


def test_with_one_it_is_the_best(fit, tmp_path):
    fit(tmp_path, max_epochs=5, check_val_every_n_epoch=2, lr=0)
    assert steps(tmp_path / "best.ckpt") == 4  # nothing is better than the first, and the last epoch is not validated


def test_with_averaged_weights_it_holds_the_average(fit, tmp_path):
    net = fit(tmp_path, AverageWeights(0.5), max_epochs=1, check_val_every_n_epoch=5)
    state = torch.load(tmp_path / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(state[f"net.{key}"], value) for key, value in net.state_dict().items())


def test_a_later_validation_takes_its_place(fit, tmp_path):
    fit(tmp_path, max_epochs=1, check_val_every_n_epoch=2)
    assert steps(tmp_path / "best.ckpt") == 2
    fit(tmp_path, max_epochs=3, check_val_every_n_epoch=2, ckpt_path=tmp_path / "last.ckpt")
    assert steps(tmp_path / "best.ckpt") == 4


@pytest.mark.parametrize("of", ["best.ckpt", "last.ckpt"])
@pytest.mark.parametrize("validated", [True, False])
def test_a_run_that_goes_on_elsewhere_has_one_there(fit, tmp_path, of, validated):
    fit(tmp_path / "a", max_epochs=1, check_val_every_n_epoch=1 if validated else 5)
    fit(tmp_path / "b", max_epochs=2, check_val_every_n_epoch=5, ckpt_path=tmp_path / "a" / of)
    assert steps(tmp_path / "b" / "best.ckpt") == 4


def test_a_training_that_is_none_leaves_none(fit, tmp_path):
    fit(tmp_path, max_epochs=0)
    assert not list(tmp_path.rglob("*.ckpt"))
