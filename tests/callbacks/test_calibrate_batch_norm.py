"""Stitches are evaluated with BatchNorm statistics of their own, and a training goes on as if they were not."""

import copy
import json
import os
import shutil
import signal
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

import snnet_lightning as sn
from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import (
    AverageWeights,
    BestCheckpoint,
    CalibrateBatchNorm,
    LastCheckpoint,
    ReseedEveryStep,
    WriteResults,
)
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.network.calibrate import calibrate
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule, StagedRule

SIZE = (1, 16, 16)
IMAGES = 100
TEST = {"limit_test_batches": 2}


def make_module(seed=0, lr=1e-2):
    torch.manual_seed(seed)
    kwargs = {"channels": [8, 12, 16, 20]}
    depths = [{"layers": [1, 2, 1, 1]}, {"layers": [2, 2, 2, 1]}]
    net = SNNet(create_anchors(["resnet18"] * 2, SIZE, 10, "checkpoint", kwargs, depths), StagedRule())
    return SNNetModule(net, UniformSampler(1), OptimizerRecipe("adamw", lr=lr, warmup_epochs=0), validation_stitches=1)


class Watch(L.Callback):
    """Notes which stitches are calibrated in a validation and in training, and what was validated."""

    def __init__(self):
        self.validated, self.training, self.weights = [], [], []

    def on_validation_batch_end(self, trainer, module, *_):
        self.validated.append(copy.deepcopy(module.net).eval())

    def on_train_batch_start(self, trainer, module, *_):
        self.training += module.net.route_statistics.calibrated

    def on_train_batch_end(self, trainer, module, *_):
        self.weights.append({name: value.clone() for name, value in module.net.state_dict().items()})


def start(make_trainer, directory, module, images=IMAGES, callbacks=(), ckpt_path=None, test=True, **options):
    watch = Watch()
    best = BestCheckpoint(str(directory), "best", "val/acc1", mode="max", enable_version_counter=False)
    own = [CalibrateBatchNorm(images), ReseedEveryStep(3), best, LastCheckpoint(str(directory)), watch, *callbacks]
    short = {"max_epochs": 3, "limit_train_batches": 3, "limit_val_batches": 1, "num_sanity_val_steps": 0}
    trainer = make_trainer(callbacks=own, enable_checkpointing=True, **short | TEST | options)
    data = DigitsDataModule(SIZE, batch_size=32)
    trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
    if test:
        trainer.test(module, datamodule=data, verbose=False)
    return watch


@pytest.fixture
def run(make_trainer, tmp_path):
    """A training and, unless told otherwise, the test that follows it."""

    def run(module, *words, directory=tmp_path, **options):
        return start(make_trainer, directory, module, *words, **options)

    return run


@pytest.fixture(scope="module")
def straight(make_trainers, tmp_path_factory):
    """One that nothing happens to: to be looked at, not changed."""
    folder, module = tmp_path_factory.mktemp("straight"), make_module()
    watch = start(make_trainers(folder), folder, module)
    return SimpleNamespace(module=module, watch=watch, folder=folder)


def state_of(path):
    return torch.load(path, weights_only=True)["state_dict"]


def own_of(state):
    return {key: value for key, value in state.items() if "route_statistics" in key}


class KilledError(Exception):
    pass


class Kill(L.Callback):
    """Ends the training at the beginning of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == self.epoch:
            raise KilledError


class Terminate(L.Callback):
    """SIGTERM within the validation of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_validation_batch_start(self, trainer, *_):
        if trainer.current_epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGTERM)


def by_hand(net):
    """Calibrated on the first images of the order that initialisation has."""
    data = DigitsDataModule(SIZE, batch_size=32)
    data.setup()
    order = torch.randperm(1257, generator=torch.Generator().manual_seed(0)).tolist()
    x, y = map(torch.stack, zip(*data.train_set.__getitems__([Draw(i) for i in order]), strict=True))
    calibrate(net, zip(x.split(32), y.split(32), strict=True), IMAGES)
    return net


def equal(some, others):
    return some.keys() == others.keys() and all(torch.equal(value, others[key]) for key, value in some.items())


def test_before_a_validation_and_before_the_test(straight):
    module, watch = straight.module, straight.watch
    validated = {stitch.id for stitch in module.validation_stitches}
    assert len(watch.validated) == 3
    for net in watch.validated:
        assert net.route_statistics.calibrated
        assert set(net.route_statistics.calibrated) <= validated
        expected = by_hand(copy.deepcopy(net)).route_statistics.calibrated
        assert [i for i in expected if i in validated] == net.route_statistics.calibrated
    assert watch.training == []
    own = by_hand(copy.deepcopy(module.net))
    assert len(own.route_statistics.calibrated) > len(validated) - 1
    assert equal(own.state_dict(), module.net.state_dict())
    assert [row.calibrated for row in module.rows] == [s.id in own.route_statistics.calibrated for s in own.space]


def test_training_does_not_notice(run, tmp_path):
    """Weights, running statistics and what the optimiser keeps are the same, bit by bit."""
    nets = []
    for images in (0, IMAGES):
        module = make_module()
        run(module, images, directory=tmp_path / str(images), test=False)
        nets.append(module.net)
    contents = [torch.load(tmp_path / images / "last.ckpt", weights_only=True) for images in ("0", str(IMAGES))]
    assert equal(*(content["state_dict"] for content in contents))
    moments = [content["optimizer_states"][0]["state"] for content in contents]
    assert all(equal(moments[0][key], moments[1][key]) for key in moments[0])


def test_both_checkpoints_have_those_of_their_own_weights(run, tmp_path):
    module = make_module()
    run(module, check_val_every_n_epoch=2)  # the last epoch is not validated, so the best is another
    best, last = (torch.load(tmp_path / f"{name}.ckpt", weights_only=True) for name in ("best", "last"))
    assert (best["global_step"], last["global_step"]) == (6, 9)
    net = sn.load(tmp_path / "best.ckpt")
    again = copy.deepcopy(net)
    again.route_statistics.clear()
    assert equal(by_hand(again).state_dict(), net.state_dict())
    assert own_of(net.state_dict())
    assert equal(last["state_dict"], {f"net.{key}": value for key, value in module.net.state_dict().items()})


@pytest.mark.parametrize("after", [1, 3])
def test_a_run_goes_on_bit_by_bit(run, straight, tmp_path, after):
    """Also from a checkpoint of a training that was done, which has statistics."""
    if after == 3:
        shutil.copy(straight.folder / "last.ckpt", tmp_path)
        assert own_of(state_of(tmp_path / "last.ckpt"))
    else:
        with pytest.raises(KilledError):
            run(make_module(), callbacks=[Kill(after)])
    resumed = make_module(seed=5)
    run(resumed, ckpt_path=tmp_path / "last.ckpt")
    assert equal(resumed.net.state_dict(), straight.module.net.state_dict())
    assert equal(state_of(tmp_path / "last.ckpt"), state_of(straight.folder / "last.ckpt"))


@pytest.mark.parametrize("averages", [[], [AverageWeights(0.5)]])
def test_a_run_goes_on_bit_by_bit_that_was_terminated_within_a_validation(run, tmp_path, averages):
    whole, resumed = make_module(), make_module(seed=5)
    run(whole, callbacks=copy.deepcopy(averages), directory=tmp_path / "whole")
    with pytest.raises(SIGTERMException):
        run(make_module(), callbacks=[Terminate(1), *copy.deepcopy(averages)], limit_val_batches=2)
    assert not own_of(state_of(tmp_path / "last.ckpt"))
    run(resumed, callbacks=copy.deepcopy(averages), ckpt_path=tmp_path / "last.ckpt")
    assert equal(resumed.net.state_dict(), whole.net.state_dict())


def test_a_finished_training_that_is_trained_further_begins_without_them(run, tmp_path):
    straight = make_module()
    watch = run(straight, callbacks=[AverageWeights(0.5)])
    further = make_module(seed=5)
    again = run(further, callbacks=[AverageWeights(0.5)], ckpt_path=tmp_path / "last.ckpt", max_epochs=4)
    assert again.training == watch.training == []
    assert len(again.weights) == 3
    assert equal(
        own_of(state_of(tmp_path / "last.ckpt")), own_of({f"net.{k}": v for k, v in further.net.state_dict().items()})
    )


def test_averaged_weights_are_what_is_calibrated(run, tmp_path):
    module = make_module()
    watch = run(module, callbacks=[AverageWeights(0.5)])
    assert all(net.route_statistics.calibrated for net in watch.validated)
    for net in [module.net, *map(sn.load, (tmp_path / "last.ckpt", tmp_path / "best.ckpt"))]:
        assert net.route_statistics.calibrated
        again = copy.deepcopy(net)
        again.route_statistics.clear()
        assert equal(by_hand(again).state_dict(), net.state_dict())
    current = torch.load(tmp_path / "last.ckpt", weights_only=True)["current_model_state"]
    assert not own_of(current)
    assert equal(current, {f"net.{key}": value for key, value in watch.weights[-1].items()})


def test_a_network_without_batch_norm_is_left_alone(run, make_trainer, tmp_path):
    rows = []
    for images in (0, IMAGES):
        torch.manual_seed(0)
        net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule())
        module = SNNetModule(net, UniformSampler(1), OptimizerRecipe("adamw", lr=1e-3))
        out = tmp_path / str(images)
        callbacks = [CalibrateBatchNorm(images), LastCheckpoint(str(out)), WriteResults(str(out))]
        short = {"max_epochs": 1, "limit_train_batches": 2, "limit_val_batches": 1, "num_sanity_val_steps": 0}
        trainer = make_trainer(**short, **TEST, callbacks=callbacks, enable_checkpointing=True)
        trainer.fit(module, datamodule=DigitsDataModule())
        trainer.test(module, datamodule=DigitsDataModule(), verbose=False)
        rows.append((out / "stitches.jsonl").read_bytes())
        assert "calibrated" not in json.loads(rows[-1].splitlines()[0])
    assert rows[0] == rows[1]
    assert equal(state_of(tmp_path / "0" / "last.ckpt"), state_of(tmp_path / str(IMAGES) / "last.ckpt"))


def evaluated(module, make_trainer, images, data=None, **options):
    trainer = make_trainer(callbacks=[CalibrateBatchNorm(images)], **TEST | options)
    trainer.test(module, data, datamodule=None if data else DigitsDataModule(SIZE, batch_size=32), verbose=False)
    return module.rows


def test_an_evaluation_uses_what_is_in_the_file_or_calibrates_anew(straight, make_trainer, tmp_path):
    module = straight.module
    shutil.copy(straight.folder / "last.ckpt", tmp_path)
    other = make_module(seed=5)
    other.net.load_state_dict(sn.load(tmp_path / "last.ckpt").state_dict())
    assert evaluated(other, make_trainer, 0) == module.rows
    before = (tmp_path / "last.ckpt").read_bytes()
    other.net.load_state_dict({k: v for k, v in module.net.state_dict().items() if "route" not in k})
    assert all(row.calibrated is None for row in evaluated(other, make_trainer, 0))
    assert evaluated(other, make_trainer, IMAGES) == module.rows
    callbacks = [CalibrateBatchNorm(IMAGES), LastCheckpoint(str(tmp_path))]
    trainer = make_trainer(callbacks=callbacks, enable_checkpointing=True, **TEST)
    other.net.route_statistics.clear()
    trainer.test(other, datamodule=DigitsDataModule(SIZE, batch_size=64), verbose=False)
    assert (tmp_path / "last.ckpt").read_bytes() == before  # it was another run that left it


def test_what_is_calibrated_in_a_test_serves_gradients_afterwards(straight):
    statistics = straight.module.net.route_statistics
    straight.module.net.eval()(torch.randn(2, *SIZE), statistics.calibrated[0]).sum().backward()


def test_a_training_is_not_lost_where_there_are_too_few_images(make_trainer, caplog):
    items = [(torch.randn(SIZE), 0), (torch.randn(SIZE), 1)]
    module, loader = make_module(), DataLoader(items, 2)
    trainer = make_trainer(max_epochs=1, callbacks=[CalibrateBatchNorm(IMAGES)])
    trainer.fit(module, loader, DataLoader(items, 2))
    trainer.test(module, DataLoader(items, 2), verbose=False)
    assert len(module.rows) == len(module.net.space)
    assert "calibration.images: 2 images are too few" in caplog.text
    assert not module.net.route_statistics.calibrated


def test_layers_that_synchronise_are_refused(make_trainer):
    module = make_module()
    module.net = torch.nn.SyncBatchNorm.convert_sync_batchnorm(module.net)
    trainer = make_trainer(max_epochs=1, callbacks=[CalibrateBatchNorm(IMAGES)])
    with pytest.raises(InputError, match=r"^calibration\.images=100: .* trainer\.sync_batchnorm=true"):
        trainer.fit(module, datamodule=DigitsDataModule(SIZE, batch_size=32))


def test_any_data_loaders(make_trainer):
    """The training loader's order and random numbers are not touched."""
    generator = torch.Generator().manual_seed(1)
    items = [
        (torch.randn(SIZE, generator=generator), int(torch.randint(0, 10, (), generator=generator))) for _ in range(96)
    ]
    states, calibrated = [], []
    for images in (0, 5000):  # more than there are
        module, own = make_module(), torch.Generator().manual_seed(2)
        loader = DataLoader(items, 16, shuffle=True, generator=own)
        callbacks = [CalibrateBatchNorm(images)]
        trainer = make_trainer(max_epochs=2, callbacks=callbacks, num_sanity_val_steps=1)
        trainer.fit(module, loader, DataLoader(items[:32], 16))
        states.append({key: value.clone() for key, value in module.net.state_dict().items()})
        trainer.test(module, DataLoader(items[:32], 16), verbose=False)
        calibrated.append(module.net.route_statistics.calibrated)
    assert equal(*states)
    assert not calibrated[0]
    assert calibrated[1]
    with pytest.raises(InputError, match=r"calibration\.images: needs training images"):
        evaluated(make_module(), make_trainer, 64, DataLoader(items[:32], 16))
