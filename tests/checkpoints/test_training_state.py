"""A training goes on from what a training left, and from nothing else: inside every part of a checkpoint."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import BestCheckpoint, LogDrawnStitches
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import ImportanceSampler
from snnet_lightning.stitch import PairedRule

CUT: Any = object()
NONSENSE = {
    "loops.fit_loop": [CUT, None, "text", {}],
    "loops.fit_loop.epoch_progress": [CUT, "text", {}],
    "loops.fit_loop.epoch_progress.current.completed": [CUT, "text", -5, None, 1e9],
    "loops.fit_loop.epoch_loop.state_dict": ["text", {"_batches_that_stepped": "x"}],
    "optimizer_states.0.state": [CUT, "text", {}, {"a": 1}, {0: {}}, {10**6: {"step": 1}}],
    "optimizer_states.0.state.0.exp_avg": ["text", [1]],
    "optimizer_states.0.param_groups": [CUT, "text", [], [1, 2, 3, 4]],
    "optimizer_states.0.param_groups.0.lr": [CUT, "text", float("nan"), -1],
    "optimizer_states.0.param_groups.0.params": ["text", []],
    "optimizer_states.0.param_groups.0.betas": [CUT, "text"],
    "lr_schedulers.0": ["text", {}],
    "lr_schedulers.0.lengths": [CUT, "text", [0], [0, "x"], [0, -1]],
    "callbacks.LogDrawnStitches": [None, "text", {}],
    "callbacks.BestCheckpoint": ["text", {}],
    "callbacks.BestCheckpoint.best_model_path": [5, "/etc/x.ckpt", "{folder}/../x.ckpt", "{folder}/..", "s3://x.ckpt"],
    "callbacks.BestCheckpoint.best_k_models": ["text", {"{folder}/../x.ckpt": torch.tensor(1.0)}],
    "sampler": ["text", [1], {"steps": "x", "importance": {}}],
}


def trainer_of(folder, epochs: int) -> L.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    callbacks = [LogDrawnStitches(), BestCheckpoint(dirpath=folder, filename="best")]
    return L.Trainer(max_epochs=epochs, accelerator="cpu", callbacks=callbacks, default_root_dir=folder, **quiet)


@cache
def small_module() -> SNNetModule:
    anchors = create_anchors(["digits_tiny"] * 2, (1, 8, 8), 10, "checkpoint", {"depth": 2})
    net = SNNet(anchors, PairedRule())
    return SNNetModule(net, ImportanceSampler(seed=1, warmup_draws=1), OptimizerRecipe("adamw", lr=1e-3))


def parts():
    images = torch.randn(4, 1, 8, 8), torch.arange(4)
    return deepcopy(small_module()), DataLoader(TensorDataset(*images), batch_size=2)


@pytest.fixture(scope="module")
def left(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("left")
    trainer_of(folder, 1).fit(*parts())
    return torch.load(folder / "best.ckpt", weights_only=True) | {"folder": str(folder)}


def place(content: Any, words: list[str]) -> tuple[Any, Any]:
    """The mapping or list that holds what stands under these words, and its key there."""
    if isinstance(content, list):
        key, rest = int(words[0]), words[1:]
    else:  # keys of Lightning's have dots, those of callbacks have their options behind a brace
        names = {str(name).split("{")[0]: name for name in content}
        count = next((n for n in range(len(words), 0, -1) if ".".join(words[:n]) in names), len(words))
        key = ".".join(words[:count])
        key, rest = names.get(key, key), words[count:]
    return place(content[key], rest) if rest else (content, key)


@pytest.fixture
def go_on_from(tmp_path) -> Callable[[dict[str, Any]], None]:
    def go_on(content: dict[str, Any]) -> None:
        torch.save(content, tmp_path / "x.ckpt")
        trainer_of(tmp_path, 2).fit(*parts(), ckpt_path=tmp_path / "x.ckpt", weights_only=True)

    return go_on


def test_from_what_a_training_left(go_on_from, left):
    go_on_from(left)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in NONSENSE.items() for value in values])
def test_from_nonsense(go_on_from, left, tmp_path, key, value):
    def here(value: Any) -> Any:
        if isinstance(value, dict):
            return {here(name): item for name, item in value.items()}
        return value.replace("{folder}", left["folder"]) if isinstance(value, str) else value

    content = deepcopy(left)
    holder, name = place(content, key.split("."))
    if value is CUT:
        del holder[name]
    else:
        holder[name] = here(value)
    with pytest.raises(InputError) as caught:
        go_on_from(content)
    told = str(caught.value)
    assert told.startswith(f"ckpt_path={tmp_path / 'x.ckpt'}: ")
    assert "so training cannot go on from it; init_from=" in told
    assert "\n" not in told
