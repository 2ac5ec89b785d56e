"""Whether a training can go on from what a checkpoint holds beside the weights: Lightning itself takes up anything."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.optim import Optimizer

from snnet_lightning.checkpoint_file import MOVING
from snnet_lightning.errors import InputError


def require_training_state(content: Mapping[str, Any], trainer: L.Trainer) -> None:
    """Check loops, schedule and callbacks in a checkpoint against what this training would leave there itself.

    Args:
        content: of the checkpoint that ``trainer`` goes on from.

    Raises:
        InputError: something has been cut, or is of another kind.
    """
    own: dict[str, Any] = {
        "loops": {"fit_loop": trainer.fit_loop.state_dict()},
        "optimizer_states": [{"state": {}, "param_groups": []}],
        "lr_schedulers": [{"lengths": [0, 0]}],
        "callbacks": {},
    }
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # a connector sets it
        if callback.state_key in content["callbacks"]:  # else it is new
            own["callbacks"][callback.state_key] = callback.state_dict()
            if isinstance(callback, ModelCheckpoint):
                _require_own_files(content["callbacks"][callback.state_key], trainer)
    module: Any = trainer.lightning_module  # an SNNetModule
    if content.get("sampler", {}) != {}:  # else it learns nothing, or is new
        own["sampler"] = module.sampler.state_dict()
    _refuse(unlike(content, own), trainer)
    _refuse(_wrong_names(content.get(MOVING, []), module.net), trainer)


def _wrong_names(names: Any, net: nn.Module) -> str:
    """What in a list of parameters that move is no name of a trained one; empty if nothing is."""
    known = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    wrong = [n for n in names if not isinstance(n, str) or n not in known] if isinstance(names, list) else [names]
    return f"{MOVING} has {wrong[0]!r:.80}, which is no trained parameter" if wrong else ""


def check_optimizer_state(optimizer: Optimizer, trainer: L.Trainer) -> None:
    """Let ``optimizer`` look at a state before it takes it up.

    Raises (when it does):
        InputError: the state has other groups or options, is of another kind, or empty after steps were done.
    """

    def look(optimizer: Optimizer, state: Any) -> None:
        groups = optimizer.state_dict()["param_groups"]
        wrong = unlike(state, {"state": {}, "param_groups": groups}, "optimizer_states.0")
        if not wrong:
            wrong = _wrong_moments(state["state"], sum(len(group["params"]) for group in groups))
        keeps = any(group.get("betas") or group.get("momentum") for group in groups)
        if not wrong and keeps and trainer.global_step and not state["state"]:
            wrong = f"optimizer_states.0.state is empty after {trainer.global_step} steps"
        _refuse(wrong, trainer)

    optimizer.register_load_state_dict_pre_hook(look)


def _wrong_moments(state: Mapping[Any, Any], parameters: int) -> str:
    """The first entry that is not what an optimiser keeps of a parameter: tensors and numbers by name."""
    for index, entry in state.items():
        known = isinstance(index, int) and 0 <= index < parameters
        if not known or not isinstance(entry, Mapping) or not entry:
            return f"optimizer_states.0.state.{index} is not of a parameter"
        for name, value in entry.items():
            if not isinstance(value, Tensor | int | float | None):
                return f"optimizer_states.0.state.{index}.{name} is {value!r:.40}, not a tensor or a number"
    return ""


def _refuse(wrong: str, trainer: L.Trainer) -> None:
    if wrong:
        path = trainer.ckpt_path
        raise InputError(
            f"ckpt_path={path}: {wrong}, so training cannot go on from it; "
            f"init_from={path} starts a new training from its weights"
        )


def _require_own_files(state: Any, trainer: L.Trainer) -> None:
    """Refuse files outside of the folder of checkpoints: Lightning would remove what is said to be the former best."""
    if not isinstance(state, Mapping):
        return
    best = state.get("best_k_models")
    files = [state.get(key) for key in ("best_model_path", "kth_best_model_path", "last_model_path")]
    folder = Path(str(state.get("dirpath")))
    for file in filter(None, [*files, *(best if isinstance(best, Mapping) else ())]):
        if not isinstance(file, str) or "://" in file or Path(file).parent != folder or not file.endswith(".ckpt"):
            _refuse(f"a callback in it names {file!r:.80}, which is no checkpoint in {folder}", trainer)


def unlike(given: Any, own: Any, key: str = "") -> str:
    """The first place where ``given`` is of another kind than ``own``, for people; empty if there is none.

    A mapping has to have all keys of ``own``, a list its length where that is not 0. Numbers have to be finite, and not
    below 0 where ``own`` is not. What is None in ``own`` may be anything.
    """
    kind: Any = type(own)
    if isinstance(own, Mapping):
        if not isinstance(given, Mapping):
            return f"{key} is no mapping"
        lost = [name for name in own if name not in given]
        if lost:
            return f"{key + '.' if key else ''}{lost[0]} is missing"
        pairs = [(given[name], own[name], f"{key}.{name}" if key else str(name)) for name in own]
    elif isinstance(own, list | tuple):
        if not isinstance(given, list | tuple) or (own and len(given) != len(own)):
            return f"{key} is no list of {len(own) or 'anything'}"
        pairs = [(item, like, f"{key}.{i}") for i, (item, like) in enumerate(zip(given, own, strict=False))]
    elif isinstance(own, bool | str | Tensor):
        return "" if isinstance(given, kind) else f"{key} is {given!r:.40}, not a {kind.__name__}"
    elif isinstance(own, int | float):
        number = isinstance(given, int if isinstance(own, int) else int | float) and not isinstance(given, bool)
        right = number and math.isfinite(given) and given >= min(own, 0)
        return "" if right else f"{key} is {given!r:.40}, not a number like {own}"
    else:
        return ""
    return next(filter(None, (unlike(*pair) for pair in pairs)), "")
