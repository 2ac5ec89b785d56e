"""The anchors are tuned first: two phases of one training, each with its own draws and schedule."""

import copy
from dataclasses import replace

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Checkpoint

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import (
    AverageWeights,
    BestCheckpoint,
    InitialiseStitchingLayers,
    LastCheckpoint,
    LogDrawnStitches,
)
from snnet_lightning.checkpoint_file import read_checkpoint
from snnet_lightning.checkpoints import load_weights
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.distillation import InPlaceDistillation
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import ImportanceSampler, SandwichSampler, UniformSampler
from snnet_lightning.stitch import PairedRule

RECIPE = OptimizerRecipe("adamw", lr=1e-3, warmup_epochs=1)
STEPS = 4  # an epoch


class Watch(L.Callback):
    """Notes draws, learning rates, and the weights before every step."""

    def __init__(self):
        self.drawn, self.rates, self.states = [], [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.drawn.append([stitch.name for stitch in module.draw(0)])
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.states.append({key: value.clone() for key, value in module.net.state_dict().items()})


class SaveEveryStep(L.Callback):
    def __init__(self, folder):
        self.folder = folder

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


class Scores(L.Callback):
    """Notes what every validation found."""

    def __init__(self):
        self.seen = []

    def on_validation_end(self, trainer, module):
        if not trainer.sanity_checking:
            self.seen.append({k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith("val/")})


@pytest.fixture
def fit(make_trainer):
    def run(
        epochs,
        tuning_epochs,
        *callbacks,
        sampler=None,
        ckpt_path=None,
        samples=64,
        validated=0,
        max_steps=-1,
        init_from=None,
        recipe=RECIPE,
        **options,
    ):
        torch.manual_seed(0)
        net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule())
        if init_from:
            load_weights(net, read_checkpoint(init_from, str(init_from)), str(init_from))
        sampler = sampler or UniformSampler(seed=1)
        module = SNNetModule(net, sampler, recipe, tuning_epochs=tuning_epochs, **options)
        watch = Watch()
        trainer = make_trainer(
            max_epochs=epochs,
            limit_train_batches=STEPS,
            limit_val_batches=validated,
            max_steps=max_steps,
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
            callbacks=[InitialiseStitchingLayers(samples=samples), watch, *callbacks],
        )
        trainer.fit(module, datamodule=DigitsDataModule(batch_size=32), ckpt_path=ckpt_path)
        return module, watch

    return run


def layers(state):
    return {key: value for key, value in state.items() if key.startswith("stitching_layers")}


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[key], other[key]) for key in state)


def test_anchors_in_turn_then_what_the_sampler_draws(fit):
    module, watch = fit(3, 2)
    anchors = [stitch.name for stitch in module.net.space.anchors]
    assert watch.drawn[:8] == [[name] for name in anchors * 4]
    sampler = UniformSampler(seed=1)
    flops = dict.fromkeys(module.net.space, 1)
    assert watch.drawn[8:] == [[sampler.draw(flops, step)[0].name] for step in range(8, 12)]


def test_stitching_layers_are_initialised_from_the_tuned_anchors(fit):
    _, watch = fit(2, 1, samples=1257)  # all of them, so that their order does not matter
    start, after = watch.states[0], watch.states[STEPS]
    assert all(same(layers(state), layers(start)) for state in watch.states[:STEPS])
    expected = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule())
    expected.load_state_dict(after | layers(start))
    data = DigitsDataModule()
    data.setup()
    images = torch.stack([data.train_set[Draw(index)][0] for index in range(1257)])
    initialise_by_least_squares(expected, [images], 1257)
    for key, value in layers(expected.state_dict()).items():
        torch.testing.assert_close(after[key], value, rtol=1e-3, atol=1e-4)
    assert not same(layers(start), layers(after))


def test_tuning_alone_is_the_first_phase_of_both(fit):
    module, _ = fit(1, 1)
    _, watch = fit(2, 1)
    assert same(module.net.state_dict(), watch.states[STEPS])
    assert module.net.initialised


@pytest.mark.parametrize(("epochs", "max_steps"), [(1, -1), (4, STEPS + 1)])
@pytest.mark.parametrize("average", [[], [AverageWeights(decay=0.5)]])
def test_files_of_a_training_that_ends_while_tuning_are_of_what_it_leaves(fit, tmp_path, epochs, max_steps, average):
    best = BestCheckpoint(tmp_path, "best", monitor="val/acc1", mode="max")
    callbacks = [*copy.deepcopy(average), best, LastCheckpoint(tmp_path)]
    module, watch = fit(epochs, 3, *callbacks, validated=1, max_steps=max_steps)
    assert not same(layers(module.net.state_dict()), layers(watch.states[-1]))
    for name in ("last", "best"):
        content = torch.load(tmp_path / f"{name}.ckpt", weights_only=True)
        state = {key.removeprefix("net."): value for key, value in content["state_dict"].items()}
        assert content["stitching_layers_initialised"]
        assert same(layers(state), layers(module.net.state_dict()))


def test_what_is_tuned_is_validated_and_is_not_the_best(fit, tmp_path):
    best = BestCheckpoint(tmp_path, "best", monitor="val/acc1", mode="max")
    scores = Scores()
    fit(4, 2, best, scores, validated=1)
    anchors = [{key: value for key, value in score.items() if "/digits_" in key} for score in scores.seen]
    means = [sum(each.values()) / len(each) for each in anchors]
    assert [score["val/acc1"] for score in scores.seen[:2]] == pytest.approx(means[:2])
    assert all(score["val/acc1"] != pytest.approx(mean) for score, mean in zip(scores.seen[2:], means[2:], strict=True))
    assert best.best_model_score == max(score["val/acc1"] for score in scores.seen[2:])


def test_layers_that_were_trained_are_initialised_again_after_their_anchors_were_tuned(fit, tmp_path):
    fit(1, 0, LastCheckpoint(tmp_path))
    trained = torch.load(tmp_path / "last.ckpt", weights_only=True)
    _, watch = fit(2, 1, init_from=tmp_path / "last.ckpt")
    start = {key.removeprefix("net."): value for key, value in trained["state_dict"].items()}
    assert same(layers(watch.states[0]), layers(start))
    assert not same(layers(watch.states[STEPS]), layers(start))
    _, watch = fit(1, 0, init_from=tmp_path / "last.ckpt")
    assert same(layers(watch.states[0]), layers(start))


class Updates(L.Callback):
    """Notes how often the optimiser has updated what it keeps moments of, after every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.seen.append([int(kept["step"]) for kept in trainer.optimizers[0].state.values()])


@pytest.mark.parametrize("unused", ["stand_still", "move"])
def test_the_phase_after_the_tuning_begins_without_moments(fit, unused):
    updates = Updates()
    module, watch = fit(2, 1, updates, recipe=replace(RECIPE, unused=unused))
    assert max(updates.seen[STEPS - 1]) == {"stand_still": STEPS // 2, "move": STEPS}[unused]
    drawn = module.net.space[watch.drawn[STEPS][0]]
    assert updates.seen[STEPS] == [1] * len(list(module.net.parameters_of(drawn)))


def test_only_the_last_phase_may_become_longer(fit, tmp_path):
    fit(1, 1, LastCheckpoint(tmp_path))
    whole, watched = fit(4, 1)
    longer, watch = fit(4, 1, ckpt_path=tmp_path / "last.ckpt")
    assert watch.rates == watched.rates[STEPS:]
    assert same(longer.net.state_dict(), whole.net.state_dict())
    fit(1, 0, LastCheckpoint(tmp_path / "plain"))
    for tuning, of in ((2, "last.ckpt"), (0, "last.ckpt"), (1, "plain/last.ckpt")):
        with pytest.raises(InputError, match=r"^ckpt_path: is of a training with other tuning\.epochs"):
            fit(4, tuning, ckpt_path=tmp_path / of)


@pytest.mark.parametrize(
    ("epochs", "tuning", "more"), [(2, 3, {}), (2, 2, {}), (3, 1, {}), (2, 0, {}), (4, 2, {"max_steps": STEPS})]
)
def test_a_longer_training_goes_on_with_its_own_rates(fit, tmp_path, epochs, tuning, more):
    """Whatever the shorter one ended in: as if the longer one had been meant from the start."""
    fit(epochs, tuning, LastCheckpoint(tmp_path), **more)
    _, watch = fit(5, tuning, ckpt_path=tmp_path / "last.ckpt")
    assert watch.rates == fit(5, tuning)[1].rates[-len(watch.rates) :]


def test_each_phase_has_the_schedule_of_a_training_of_its_length(fit):
    alone = {epochs: fit(epochs, 0)[1].rates for epochs in (1, 3)}
    for tuning in (1, 3):
        rates = fit(4, tuning)[1].rates
        assert rates == [*alone[tuning], *alone[4 - tuning]]
        assert rates[0] == rates[tuning * STEPS] == RECIPE.warmup_lr


@pytest.mark.parametrize("make_sampler", [lambda: UniformSampler(1), lambda: ImportanceSampler(1, warmup_draws=0)])
def test_a_run_goes_on_from_any_step_as_if_it_had_not_ended(fit, tmp_path, make_sampler):
    whole, _ = fit(4, 2, SaveEveryStep(tmp_path), LogDrawnStitches(), sampler=make_sampler())
    for step in (2, STEPS, 2 * STEPS - 1, 2 * STEPS, 2 * STEPS + 1, 3 * STEPS):
        path = tmp_path / f"{step}.ckpt"
        resumed, watch = fit(4, 2, LogDrawnStitches(), sampler=make_sampler(), ckpt_path=path)
        assert len(watch.drawn) == 4 * STEPS - step
        assert same(whole.net.state_dict(), resumed.net.state_dict()), step
        assert whole.sampler.state_dict() == resumed.sampler.state_dict(), step


def test_the_average_begins_with_the_initialised_layers(fit):
    module, watch = fit(2, 1, AverageWeights(decay=0.5))
    average = dict(watch.states[STEPS])
    for state in [*watch.states[STEPS + 1 :], None]:
        if state is not None:
            average = {key: (average[key] + state[key]) / 2 for key in average}
    last = {key: 2 * value - average[key] for key, value in module.net.state_dict().items()}
    # The step after the last noted weights is the only one unknown here: it has to be near them.
    assert max((last[key] - watch.states[-1][key]).abs().max() for key in last) < 1e-2


def test_in_place_distillation_begins_with_the_stitches(fit):
    sampler = SandwichSampler(seed=1)
    _, watch = fit(2, 1, sampler=sampler, distillation=InPlaceDistillation())
    assert [len(drawn) for drawn in watch.drawn] == [1] * STEPS + [3] * STEPS
    plain, _ = fit(1, 1)
    assert same(plain.net.state_dict(), watch.states[STEPS])


def test_frozen_anchors_cannot_be_tuned(make_trainer):
    net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule(), freeze_anchors=True)
    module = SNNetModule(net, UniformSampler(seed=1), RECIPE, tuning_epochs=1)
    with pytest.raises(InputError, match=r"net\.freeze_anchors=true"):
        make_trainer(max_epochs=2).fit(module, datamodule=DigitsDataModule())


def test_the_phases_are_told(fit, caplog):
    with caplog.at_level("INFO"):
        fit(2, 1)
        assert "tuning the anchors in turn for 1 epochs, then training stitches" in caplog.text
        fit(2, 3)
    assert "tuning the anchors in turn for 3 epochs, and no stitches" in caplog.text
