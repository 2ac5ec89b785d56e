"""The module with plain DataLoaders and foreign DataModules, and what Lightning's Trainer can do with it."""

from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.strategies import FSDPStrategy, ModelParallelStrategy
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import (
    BestCheckpoint,
    ContinueEvaluation,
    InitialiseStitchingLayers,
    LastCheckpoint,
    LogDrawnStitches,
    ReseedEveryStep,
    StopOnNonFiniteLoss,
    WriteResults,
)
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import SandwichSampler, UniformSampler
from snnet_lightning.stitch import PairedRule

RECIPE = OptimizerRecipe("adamw", lr=1e-2, warmup_epochs=0)
PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def images_and_classes(train, count):
    items = DigitsDataset(train).__getitems__([Draw(i) for i in range(count)])
    return TensorDataset(*map(torch.stack, zip(*items, strict=True)))


TRAIN, TEST = images_and_classes(True, 96), images_and_classes(False, 60)


class ForeignDataModule(L.LightningDataModule):
    """Knows nothing but its loaders."""

    def train_dataloader(self):
        return DataLoader(TRAIN, 16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(TEST, 25)

    test_dataloader = val_dataloader


class Stream(IterableDataset):
    def __iter__(self):
        return iter(TRAIN)


def make_net(seed=0):
    torch.manual_seed(seed)
    anchors = create_anchors(["digits_tiny"] * 2, (1, 8, 8), 10, "checkpoint", {"depth": 2})
    return SNNet(anchors, PairedRule())


def make_module(seed=0, sampler=None, recipe=RECIPE, **options):
    return SNNetModule(make_net(seed), sampler or UniformSampler(seed=3), recipe, **options)


def callbacks(directory):
    """Those of conf/callbacks/default.yaml that concern the module."""
    directory = str(directory)
    return [
        InitialiseStitchingLayers(samples=50, directory=directory),
        ReseedEveryStep(seed=1),
        StopOnNonFiniteLoss(),
        LogDrawnStitches(),
        BestCheckpoint(directory, "best", "val/acc1", mode="max", enable_version_counter=False),
        LastCheckpoint(directory, every_n_train_steps=1),
        WriteResults(directory),
        ContinueEvaluation(directory, every_seconds=0),
    ]


def state_of(module):
    return {name: value.clone() for name, value in module.net.state_dict().items()}


def same(state, other):
    return {name for name in state if torch.equal(state[name], other[name])}


LAYERS = {name for name in make_net().state_dict() if name.startswith("stitching_layers")}
DATA = {
    "plain": lambda: {
        "train_dataloaders": DataLoader(TRAIN, 16, shuffle=True),
        "val_dataloaders": DataLoader(TEST, 25),
    },
    "foreign": lambda: {"datamodule": ForeignDataModule()},
    "ours": lambda: {"datamodule": DigitsDataModule(batch_size=16)},
}
TEST_DATA = {
    "plain": lambda: {"dataloaders": DataLoader(TEST, 25)},
    "foreign": lambda: {"datamodule": ForeignDataModule()},
    "ours": lambda: {"datamodule": DigitsDataModule(batch_size=25)},
}


class Watch(L.Callback):
    """Notes the weights that training starts from, the batches, and the outputs of all steps."""

    def __init__(self):
        self.start, self.batches, self.outputs, self.validated = None, [], [], 0

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.start = self.start or state_of(module)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.batches.append(batch)
        self.outputs.append(outputs)

    def on_validation_batch_end(self, *_):
        self.validated += 1

    def epochs(self, count):
        """The images of every epoch."""
        images = torch.stack([images for images, _ in self.batches])
        return images.unflatten(0, (count, -1))


@torch.no_grad()
@pytest.mark.parametrize("data", ["plain", "foreign"])
def test_trains_validates_and_tests_on_any_data(make_trainer, tmp_path, data):
    module, watch = make_module(), Watch()
    trainer = make_trainer(max_epochs=2, callbacks=[*callbacks(tmp_path), watch], enable_checkpointing=True)
    trainer.fit(module, **DATA[data]())
    assert (len(watch.batches), watch.validated) == (12, 2 * 3 + 2)  # with the sanity check before
    assert sorted(image.sum().item() for image in watch.epochs(2)[0].flatten(0, 1)) == pytest.approx(
        sorted(image.sum().item() for image, _ in TRAIN), abs=1e-4
    )
    assert len(same(state_of(module), watch.start)) < len(watch.start)
    trainer.test(module, **TEST_DATA[data](), verbose=False)
    images, classes = TEST.tensors
    for stitch, score in zip(module.net.space, module.scores, strict=True):
        right = (module.net.eval()(images, stitch).argmax(1) == classes).double().mean().item()
        assert score.images == 60
        assert score.acc1 == pytest.approx(100 * right, abs=100 / 60)  # a tie may fall either way in another batch
    written = {path.name for path in tmp_path.iterdir()}
    assert {"best.ckpt", "last.ckpt", "stitches.jsonl", "stitching_layers.jsonl"} <= written


def test_the_output_of_a_step(make_trainer):
    watch, sampler = Watch(), SandwichSampler(3, 2)
    trainer = make_trainer(max_epochs=1, callbacks=[watch], **{"limit_train_batches": 3, "limit_val_batches": 0})
    module = make_module(sampler=sampler)
    trainer.fit(module, DataLoader(TRAIN, 16))
    for step, outputs in enumerate(watch.outputs):
        assert outputs.keys() == {"loss", "stitches", "losses"}
        assert outputs["stitches"] == tuple(s.id for s in sampler.draw(dict.fromkeys(module.net.space, 1), step))
        assert outputs["losses"].shape == (4,)
        assert not outputs["losses"].requires_grad
        assert outputs["loss"].item() == pytest.approx(outputs["losses"].mean().item())


@pytest.mark.parametrize("workers", [0, 2])
def test_the_first_training_images_initialise_and_the_first_epoch_is_whole(make_trainer, workers):
    module, watch = make_module(), Watch()
    expected = make_net()
    initialise_by_least_squares(expected, [TRAIN.tensors[0]], 40)
    loader = DataLoader(TRAIN, 16, num_workers=workers, persistent_workers=workers > 0)
    trainer = make_trainer(max_epochs=2, limit_val_batches=0, callbacks=[InitialiseStitchingLayers(samples=40), watch])
    trainer.fit(module, loader)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(watch.start[name], value, rtol=1e-3, atol=1e-4)
    for epoch in watch.epochs(2):
        assert torch.equal(epoch.flatten(0, 1), TRAIN.tensors[0])


@pytest.mark.parametrize(
    ("data", "nothing"),
    [
        *((data, {"max_epochs": 0}) for data in DATA),
        ("ours", {"limit_train_batches": 0}),
        ("plain", {"limit_train_batches": 0.0}),
        *(
            pytest.param(data, {"limit_train_batches": none}, marks=pytest.mark.slow)
            for data in DATA
            for none in (0, 0.0)
            if (data, type(none)) not in (("ours", int), ("plain", float))
        ),
    ],
)
def test_where_nothing_is_trained_layers_are_initialised_and_all_is_evaluated(make_trainer, tmp_path, data, nothing):
    module = make_module()
    before = state_of(module)
    trainer = make_trainer(**{"max_epochs": 1} | nothing, callbacks=callbacks(tmp_path), enable_checkpointing=True)
    trainer.fit(module, **DATA[data]())
    assert before.keys() - same(before, state_of(module)) == LAYERS
    trainer.test(module, **TEST_DATA[data](), verbose=False)
    assert (tmp_path / "stitches.jsonl").is_file()


@pytest.mark.parametrize("data", DATA)
def test_fast_dev_run_goes_through_all_of_it_and_leaves_no_checkpoint(make_trainer, tmp_path, data):
    module, watch = make_module(), Watch()
    options = {"callbacks": [*callbacks(tmp_path), watch], "enable_checkpointing": True, "logger": True}
    trainer = make_trainer(fast_dev_run=2, max_epochs=7, **options)
    trainer.fit(module, **DATA[data]())
    assert (len(watch.batches), watch.validated, trainer.global_step) == (2, 2, 2)
    trainer.test(module, **TEST_DATA[data](), verbose=False)
    assert {score.images for score in module.scores} == {50}
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("data", DATA)
def test_overfit_batches_are_the_same_in_every_epoch(make_trainer, tmp_path, data):
    watch = Watch()
    options = {"callbacks": [*callbacks(tmp_path), watch], "enable_checkpointing": True}
    trainer = make_trainer(max_epochs=3, overfit_batches=2, **options)
    trainer.fit(make_module(), **DATA[data]())
    first, *others = watch.epochs(3)
    assert first.shape[:2] == (2, 16)
    assert all(torch.equal(first, other) for other in others)
    assert watch.validated == 3 * 2 + 2


@pytest.mark.parametrize("method", ["least_squares", "random"])
@pytest.mark.parametrize("again", ["another trainer", "the same trainer"])
def test_a_second_fit_goes_on_from_the_trained_layers(make_trainer, method, again):
    module, watch = make_module(), Watch()
    options = {"limit_train_batches": 2, "limit_val_batches": 0}
    trainer = make_trainer(max_epochs=1, callbacks=[InitialiseStitchingLayers(method, 50)], **options)
    trainer.fit(module, DataLoader(TRAIN, 16))
    trained = state_of(module)
    if again == "another trainer":
        trainer = make_trainer(max_epochs=1, callbacks=[InitialiseStitchingLayers(samples=50), watch], **options)
    else:
        trainer.fit_loop.max_epochs = 2
        trainer.callbacks.append(watch)
    trainer.fit(module, DataLoader(TRAIN, 16))
    assert same(trained, watch.start) == trained.keys()
    assert len(watch.batches) == 2


def test_layers_that_were_trained_without_the_callback_are_not_initialised(make_trainer):
    module, watch = make_module(), Watch()
    make_trainer(max_epochs=1, limit_val_batches=0).fit(module, DataLoader(TRAIN, 16))
    trained = state_of(module)
    callbacks = [InitialiseStitchingLayers(samples=50), watch]
    make_trainer(max_epochs=1, limit_val_batches=0, callbacks=callbacks).fit(module, DataLoader(TRAIN, 16))
    assert same(trained, watch.start) == trained.keys()


def test_two_trainings_in_one_process_do_not_touch_each_other(make_trainer, tmp_path):
    def train(name, seed, data):
        module = make_module(seed)
        options = {"enable_checkpointing": True, "log_every_n_steps": 50, "limit_test_batches": 2}
        trainer = make_trainer(max_epochs=2, limit_train_batches=3, callbacks=callbacks(tmp_path / name), **options)
        trainer.fit(module, datamodule=data)
        trainer.test(module, datamodule=data, verbose=False)
        return state_of(module), module.scores

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    data = DigitsDataModule(batch_size=16, seed=1)
    first, scores = train("a", 0, data)
    other, _ = train("b", 1, DigitsDataModule(batch_size=8, seed=2))
    again, same_scores = train("a", 0, data)
    assert same(first, again) == first.keys()
    assert scores == same_scores
    assert len(same(first, other)) < len(first)


def test_a_training_after_a_resumed_one_begins_with_the_first_batch(make_trainer, tmp_path):
    """With the DataModule that went on in the middle of an epoch."""

    class Save(L.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            if batch_idx == 1:
                trainer.save_checkpoint(tmp_path / "two.ckpt")

    data, options = DigitsDataModule(batch_size=16), {"max_epochs": 1, "limit_train_batches": 5, "limit_val_batches": 0}
    whole, rest, new = Watch(), Watch(), Watch()
    make_trainer(callbacks=[Save(), whole], **options).fit(make_module(), datamodule=data)
    make_trainer(callbacks=[rest], **options).fit(make_module(), datamodule=data, ckpt_path=tmp_path / "two.ckpt")
    make_trainer(callbacks=[new], **options).fit(make_module(), datamodule=data)
    assert len(rest.batches) == 3
    assert torch.equal(rest.epochs(1)[0], whole.epochs(1)[0, 2:])
    assert torch.equal(new.epochs(1), whole.epochs(1))


def test_learning_rates_that_scale_need_the_batch_size(make_trainer):
    recipe = OptimizerRecipe("adamw", lr=1e-3, lr_base_batch=512)
    trainer = make_trainer(max_epochs=1)
    with pytest.raises(InputError, match=r"optim\.lr_base_batch=512 .* give SNNetModule batch_size"):
        trainer.fit(make_module(recipe=recipe), DataLoader(TRAIN, 16))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_epochs": 1}, "do not tell their number of batches: set trainer.limit_train_batches"),
        ({"max_steps": 3}, "do not tell their number of batches: set trainer.limit_train_batches"),
        ({"max_epochs": -1, "limit_train_batches": 2}, "set trainer.max_epochs or trainer.max_steps"),
    ],
)
def test_a_training_without_an_end_is_refused(make_trainer, options, says):
    with pytest.raises(InputError, match=says):
        make_trainer(**options, limit_val_batches=0).fit(make_module(), DataLoader(Stream(), 16))


def test_a_stream_with_a_limit_is_fine(make_trainer):
    watch = Watch()
    callbacks = [InitialiseStitchingLayers(samples=20), watch]
    trainer = make_trainer(max_epochs=2, limit_train_batches=3, limit_val_batches=0, callbacks=callbacks)
    trainer.fit(make_module(), DataLoader(Stream(), 16))
    assert len(watch.batches) == 6


@pytest.mark.parametrize("loop", ["fit", "test"])
def test_a_class_that_the_heads_lack_is_named(make_trainer, loop):
    images, classes = TEST.tensors
    loader = DataLoader(TensorDataset(images, classes.clone().index_fill(0, torch.tensor([3]), 12)), 20)
    trainer = make_trainer(max_epochs=1)
    with pytest.raises(InputError, match=r"an image of class 12, but the anchors' heads have 10.*anchors\.num_classes"):
        getattr(trainer, loop)(make_module(), loader)


@pytest.mark.parametrize("make", [FSDPStrategy, ModelParallelStrategy], ids=["fsdp", "modelparallel"])
def test_a_strategy_that_nobody_made_for_this_is_refused(make_trainer, make):
    trainer, module = make_trainer(max_epochs=1), make_module()
    trainer._accelerator_connector.strategy = make()  # Lightning makes them for GPUs only
    module.trainer = trainer
    with pytest.raises(InputError, match=r"^trainer\.strategy=\w+: must be auto"):
        module.setup("fit")


def test_the_example_of_the_page(tmp_path, monkeypatch):
    (example,) = [block for block in PAGE.read_text().split("```python\n") if block.startswith("import lightning")]
    monkeypatch.chdir(tmp_path)
    names = {"net": make_net(), "train_loader": DataLoader(TRAIN, 16), "test_loader": DataLoader(TEST, 25)}
    exec(example.partition("```")[0], names)
    assert len(names["module"].rows) == len(names["net"].space)
    assert {row.images for row in names["module"].rows} == {60}
