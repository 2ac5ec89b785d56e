"""The moving average against one kept by hand from the weights after every step."""

import copy

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import AverageWeights, InitialiseStitchingLayers
from snnet_lightning.checkpoint_file import read_checkpoint
from snnet_lightning.checkpoints import load_weights
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule, StagedRule

DECAY = 0.7
COUNTERS = ("resnet", "levit")  # of batches, in batch normalisation
RECIPE = OptimizerRecipe("adamw", lr=1e-2, warmup_epochs=0)
FAMILIES = {
    "vit": (["digits_tiny", "digits_small"], (1, 8, 8), PairedRule()),
    "resnet": (["resnet18", "resnet26"], (3, 32, 32), StagedRule([1, 2])),
    "levit": (["levit_128s", "levit_128"], (3, 32, 32), StagedRule([0, 1])),
    "swin": (["swin_tiny_patch4_window7_224"] * 2, (3, 56, 56), StagedRule()),
}
NARROW = {
    "resnet": {"channels": [8, 16, 24, 32]},
    "levit": {"embed_dim": [16, 24, 32], "key_dim": 8, "num_heads": [2, 2, 2], "depth": [2, 2, 1]},
    "swin": {"embed_dim": 8, "num_heads": [1, 2, 4, 8], "depths": [1, 1, 2, 1]},
}


def state_of(module):
    return {name: value.clone() for name, value in module.net.state_dict().items()}


class Watch(L.Callback):
    """Notes the weights after every step, and those that a validation runs with."""

    def __init__(self):
        self.steps, self.validated = [], []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.steps.append(state_of(module))

    def on_validation_batch_start(self, trainer, module, batch, batch_idx, dataloader_idx=0):
        self.validated.append(state_of(module))


class AtStart(L.Callback):
    """Notes the weights that a run starts from, initialised or resumed."""

    def on_fit_start(self, trainer, module):
        self.state = state_of(module)


def by_hand(states, decay=DECAY):
    average = states[0]
    for state in states[1:]:
        average = {
            name: decay * average[name] + (1 - decay) * value if value.is_floating_point() else value
            for name, value in state.items()
        }
    return average


def assert_close(state, expected):
    assert state.keys() == expected.keys()
    for name in state:
        torch.testing.assert_close(state[name], expected[name], rtol=1e-5, atol=1e-6, msg=name)


def make_module(family="vit", seed=0, recipe=RECIPE):
    torch.manual_seed(seed)
    names, size, rule = FAMILIES[family]
    anchors = create_anchors(names, size, 10, "checkpoint", NARROW.get(family))
    return SNNetModule(SNNet(anchors, rule), UniformSampler(seed=1), recipe)


@pytest.fixture
def fit(make_trainer, tmp_path):
    def run(module, epochs=2, ckpt_path=None, decay=DECAY, callbacks=(), steps=3, **options):
        torch.manual_seed(4)
        watch = Watch()
        trainer = make_trainer(
            max_epochs=epochs,
            limit_train_batches=steps,
            limit_val_batches=1,
            num_sanity_val_steps=0,
            callbacks=[AverageWeights(decay), watch, *callbacks],
            **{"check_val_every_n_epoch": 2} | options,
        )
        data = DigitsDataModule(module.net.anchors[0].input_size, batch_size=8)
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
        return trainer, watch

    return run


@pytest.mark.parametrize("family", FAMILIES)
def test_the_average_of_all_weights_is_validated_and_left_behind(fit, family):
    module = make_module(family)
    _, watch = fit(module, epochs=4)
    assert len(watch.steps) == 12
    assert len(watch.validated) == 2
    assert_close(watch.validated[0], by_hand(watch.steps[:6]))
    assert_close(watch.validated[1], by_hand(watch.steps))
    assert_close(state_of(module), by_hand(watch.steps))
    moved = {name for name in watch.steps[0] if not torch.equal(state_of(module)[name], watch.steps[-1][name])}
    assert {name.split(".")[0] for name in moved} == {"anchors", "stitching_layers"}
    assert (family in COUNTERS) == any(not value.is_floating_point() for value in watch.steps[0].values())


def test_indices_and_counters_are_those_of_the_network(fit):
    """0.9 * 29 + 0.1 * 29 is 28 as an integer."""
    module = make_module("swin")
    before = {name: buffer.clone() for name, buffer in module.net.named_buffers()}
    fit(module, decay=0.9)
    indices = [name for name, buffer in module.net.named_buffers() if not buffer.is_floating_point()]
    assert indices
    assert all(torch.equal(before[name], dict(module.net.named_buffers())[name]) for name in indices)


def test_a_checkpoint_holds_the_average_and_a_resumed_run_goes_on_with_both(fit, tmp_path):
    every = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, every_n_epochs=1)
    straight = make_module()
    _, watch = fit(straight, epochs=4, callbacks=[every], enable_checkpointing=True, check_val_every_n_epoch=1)
    path = str(tmp_path / "epoch=1.ckpt")
    loaded = make_module(seed=1).net
    load_weights(loaded, read_checkpoint(path, "x"), "x")
    assert_close(loaded.state_dict(), by_hand(watch.steps[:6]))

    resumed, start = make_module(seed=2), AtStart()
    _, again = fit(resumed, epochs=4, ckpt_path=path, callbacks=[start], check_val_every_n_epoch=1)
    assert_close(start.state, watch.steps[5])
    assert len(again.steps) == 6
    assert_close(state_of(resumed), by_hand([by_hand(watch.steps[:6]), *again.steps]))


def test_a_last_checkpoint_after_training_has_both(fit, tmp_path):
    last = ModelCheckpoint(tmp_path, monitor="val/acc1", save_last=True, save_top_k=1)
    module = make_module()
    _, watch = fit(module, epochs=1, callbacks=[last], enable_checkpointing=True)  # ends before any validation
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert_close(content["state_dict"], {f"net.{name}": v for name, v in by_hand(watch.steps).items()})
    assert_close(content["current_model_state"], {f"net.{name}": v for name, v in watch.steps[-1].items()})


@pytest.mark.parametrize("epochs", [0, 1])
def test_the_initialised_layers_are_in_the_average(fit, epochs):
    still = OptimizerRecipe("sgd", lr=0.0, warmup_epochs=0, warmup_lr=0, min_lr=0)
    module = make_module(recipe=still)
    before = copy.deepcopy(module.net)
    initialised = AtStart()
    fit(module, epochs=epochs, callbacks=[InitialiseStitchingLayers(samples=50), initialised])
    assert_close(state_of(module), initialised.state)
    changed = [name for name, value in before.state_dict().items() if not torch.equal(value, initialised.state[name])]
    assert sorted(changed) == sorted(name for name in initialised.state if name.startswith("stitching_layers"))
