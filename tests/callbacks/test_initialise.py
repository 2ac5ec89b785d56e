"""Stitching layers are initialised before the first step of a new run, and never on a resumed one."""

import copy
import json
import logging
import random
import re
from statistics import mean

import lightning as L
import numpy as np
import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import InitialiseStitchingLayers
from snnet_lightning.checkpoint_file import read_checkpoint
from snnet_lightning.checkpoints import load_weights
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import Sampler, UniformSampler
from snnet_lightning.seeding import seed_generators
from snnet_lightning.stitch import PairedRule
from tests.few_digits import FewDigits

RECIPE = OptimizerRecipe("adamw", lr=1e-3, warmup_epochs=1)


class RecordingSampler(Sampler):
    """Notes the steps for which a stitch is drawn."""

    def __init__(self, sampler):
        self.sampler, self.steps = sampler, []

    def draw(self, flops, step, rank=0):
        self.steps.append(step)
        return self.sampler.draw(flops, step, rank)


class Watch(L.Callback):
    """Notes the weights and learning rates that the first step starts from."""

    state = None

    def on_fit_start(self, trainer, module):
        self.sampler = module.sampler = RecordingSampler(module.sampler)

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if self.state is None:
            self.state = {key: value.clone() for key, value in module.net.state_dict().items()}
            self.lr = [group["lr"] for group in trainer.optimizers[0].param_groups]
            self.step = trainer.global_step


def make_module(seed):
    torch.manual_seed(seed)
    anchors = create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10)
    return SNNetModule(SNNet(anchors, PairedRule()), UniformSampler(seed=1), RECIPE)


@pytest.fixture
def fit(make_trainer):
    def run(module, method="least_squares", samples=100, epochs=1, ckpt_path=None):
        watch = Watch()
        callbacks = [InitialiseStitchingLayers(method, samples), watch]
        trainer = make_trainer(max_epochs=epochs, limit_train_batches=3, limit_val_batches=0, callbacks=callbacks)
        trainer.fit(module, datamodule=DigitsDataModule(batch_size=128), ckpt_path=ckpt_path)
        return trainer, watch

    return run


def equal(state, other):
    return {key for key in state if torch.equal(state[key], other[key])}


def test_before_the_first_step_by_least_squares_on_plain_training_images(fit):
    module = make_module(0)
    before = copy.deepcopy(module.net)
    _, watch = fit(module, samples=1257)  # all of them, so that their order does not matter
    data = DigitsDataModule()
    data.setup()
    images = torch.stack([data.train_set[Draw(index)][0] for index in range(1257)])
    initialise_by_least_squares(before, [images], 1257)
    layers = [key for key in watch.state if key.startswith("stitching_layers")]
    assert len(layers) == 2 * 5
    for key in layers:
        torch.testing.assert_close(watch.state[key], before.state_dict()[key], rtol=1e-3, atol=1e-4)
    assert equal(watch.state, before.state_dict()) >= watch.state.keys() - set(layers)  # anchors are as they were


def test_random_initialisation_leaves_the_layers_alone(fit):
    module = make_module(0)
    before = copy.deepcopy(module.net.state_dict())
    _, watch = fit(module, method="random")
    assert equal(watch.state, before) == set(before)


def test_a_resumed_run_goes_on_from_its_checkpoint(fit, tmp_path):
    path = tmp_path / "last.ckpt"
    first = make_module(0)
    trainer, _ = fit(first)
    trainer.save_checkpoint(path)
    trained = copy.deepcopy(first.net.state_dict())

    resumed = make_module(1)
    assert equal(trained, resumed.net.state_dict()) < set(trained)
    _, watch = fit(resumed, epochs=2, ckpt_path=path)
    assert equal(watch.state, trained) == set(trained)
    half = (1e-3 + 1e-6) / 2  # of the cosine of the longer training is done
    assert (watch.step, watch.lr) == (3, pytest.approx([half] * 4, rel=1e-12))
    assert watch.sampler.steps == [3, 4, 5]  # so no stitch is drawn twice for the same step
    assert len(equal(trained, resumed.net.state_dict())) < len(trained)  # and it did train


def test_a_net_with_loaded_weights_is_not_initialised(fit, tmp_path):
    trainer, _ = fit(make_module(0))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    module = make_module(1)
    load_weights(module.net, read_checkpoint(tmp_path / "last.ckpt", "x"), "x")
    loaded = copy.deepcopy(module.net.state_dict())
    _, watch = fit(module)
    assert equal(watch.state, loaded) == set(loaded)


def test_how_well_every_layer_fits_is_written_down(make_trainer, tmp_path):
    module = make_module(0)
    callbacks = [InitialiseStitchingLayers(samples=50, directory=str(tmp_path))]
    make_trainer(max_epochs=0, callbacks=callbacks).fit(module, datamodule=DigitsDataModule())
    rows = [json.loads(line) for line in (tmp_path / "stitching_layers.jsonl").read_text().splitlines()]
    assert [row["layer"] for row in rows] == list(module.net.stitching_layers)
    places = [place for row in rows for place in row["places"]]
    assert {place["name"] for place in places} == {s.name for s in module.net.space if not s.is_anchor}
    assert all(0 < x["relative_error"] < 1.5 and 0 < x["cka"] < 1 for x in [*rows, *places])


def random_states():
    return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()


class AtTheFirstStep(Watch):
    """Notes the random numbers that training goes on with, too."""

    def on_train_start(self, trainer, module):
        self.random = random_states()


def test_refined_layers_are_the_same_every_time_and_training_draws_as_without(make_trainer, caplog):
    def start(method):
        seed_generators(5)
        module, watch = make_module(0), AtTheFirstStep()
        callbacks = [InitialiseStitchingLayers(method, samples=64, steps=6), watch]  # more steps than batches
        trainer = make_trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0, callbacks=callbacks)
        trainer.fit(module, datamodule=FewDigits(batch_size=16))
        return watch

    caplog.set_level(logging.INFO)
    fitted, refined = start("least_squares"), start("refined")
    (line,) = [message for message in caplog.messages if "refined" in message]
    before, after = map(float, re.search(r"divergence (.*) before, (.*) after", line).groups())
    assert 0 < after < before
    assert fitted.random == refined.random
    layers = {key for key in fitted.state if key.startswith("stitching_layers.")}
    assert equal(fitted.state, refined.state) == set(fitted.state) - layers
    assert equal(start("refined").state, refined.state) == set(fitted.state)


@torch.no_grad()
def test_refining_is_judged_by_images_that_least_squares_did_not_see(make_trainer, caplog):
    caplog.set_level(logging.INFO)
    module, data = make_module(0), FewDigits(batch_size=16)
    callbacks = [InitialiseStitchingLayers("refined", samples=20, steps=1, lr=1e-9)]
    trainer = make_trainer(max_epochs=0, limit_val_batches=0, callbacks=callbacks)
    trainer.fit(module, datamodule=data)
    (line,) = [message for message in caplog.messages if "refined" in message]
    told = float(re.search(r"divergence (.*) before", line)[1])
    (first, _), (second, _), (third, _), *_ = data.initialisation_dataloader()
    net = module.net.eval()

    def divergence(images):
        logits = {stitch: net(images, stitch).log_softmax(1) for stitch in net.space}
        return mean(
            (logits[end].exp() * (logits[end] - logits[stitch])).sum(1).mean().item()
            for stitch in net.space
            for end in net.space.anchors
            if not stitch.is_anchor and end.anchors[0] == stitch.anchors[-1]
        )

    # Least squares saw the first batch, and four images of the second.
    assert told == pytest.approx(divergence(third), rel=5e-3)
    assert told != pytest.approx(divergence(first), rel=5e-3)
    assert told != pytest.approx(divergence(second), rel=5e-3)


def test_a_resumed_run_is_not_refined_again(fit, tmp_path):
    trainer, _ = fit(make_module(0))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    resumed = make_module(1)
    _, watch = fit(resumed, method="refined", epochs=2, ckpt_path=tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert equal(watch.state, {key.removeprefix("net."): value for key, value in saved.items()}) == set(watch.state)


class Once:
    """Batches that are gone once they were read."""

    def __init__(self):
        self.batches = iter([(torch.randn(8, 1, 8, 8), torch.zeros(8, dtype=torch.long)) for _ in range(2)])

    def __iter__(self):
        return self.batches


def test_data_that_can_be_read_only_once_are_refused(make_trainer):
    callbacks = [InitialiseStitchingLayers("refined", samples=8)]
    trainer = make_trainer(max_epochs=1, limit_train_batches=1, callbacks=callbacks)
    with pytest.raises(InputError, match="method=refined: the training data can be read only once"):
        trainer.fit(make_module(0), Once())


def test_the_checkpoint_describes_the_network(fit, tmp_path):
    module = make_module(0)
    trainer, _ = fit(module, method="random")
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert content["description"] == json.loads(json.dumps(module.net.description.as_data()))
