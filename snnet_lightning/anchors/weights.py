"""Weights of one timm model from a local file, loaded safely, and checked."""

import logging
import pickle
import sys
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from timm.models import load_state_dict
from torch import Tensor, nn

from snnet_lightning.checkpoint_file import anchor_state, class_names_in, read_checkpoint
from snnet_lightning.description import other_classes
from snnet_lightning.errors import InputError

log = logging.getLogger(__name__)

AUXILIARY = ".aux_bn."  # in timm's names of BatchNorms for a part of a training batch only


def load_weights(
    model: nn.Module,
    path: str,
    option: str = "anchors.weights",
    new_heads: bool = False,
    names: tuple[str, str] = ("", ""),
    class_names: Sequence[str] | None = None,
) -> bool:
    """Load a ``.pth`` or ``.safetensors`` file into a timm model, converting old names as timm does.

    In a checkpoint or a saved SN-Net of ours it is the anchor of this name.

    Args:
        option: what the user gave the path by.
        new_heads: keep the model's own classifiers where those of the file do not fit, or are for other classes.
        names: timm name and alias of the model.
        class_names: what the model is to tell apart, if known.

    Returns:
        whether the model kept its own classifiers.

    Raises:
        InputError: no such file, an unreadable one, or one whose keys or shapes differ (the differences are listed).
    """
    if not Path(path).exists():
        raise InputError(f"{option}: no file {path!r} (nor is it one of pretrained, random)")
    own = model.state_dict()
    state, known = _read(model, path, option, names)
    state = with_own_norms(own, state)
    renamed = other_classes(known, class_names)
    heads = tuple(f"{name}." for name in classifier_names(model))
    body = {key: value for key, value in state.items() if not key.startswith(heads)}
    body |= {key: value for key, value in own.items() if key.startswith(heads)}
    differences = state_differences(own, state)
    only_heads = differences and not state_differences(own, body)
    if new_heads and (only_heads or (renamed and not differences)):
        model.load_state_dict(body)
        return True
    if differences:
        hint = "; anchors.new_heads=true makes new heads" if only_heads else ""
        raise InputError(f"{path} does not fit: {differences}{hint}")
    if renamed:
        log.warning(
            "%s=%s: its heads are for classes of other names; anchors.new_heads=true makes new ones", option, path
        )
    model.load_state_dict(state)
    return False


def _read(
    model: nn.Module, path: str, option: str, names: tuple[str, str]
) -> tuple[dict[str, Tensor], tuple[str, ...] | None]:
    """The tensors under the model's names; the names of the classes, if the file has them."""
    where = f"{option}={path}"
    folder = Path(path).is_dir()
    if folder or zipfile.is_zipfile(path):  # as PyTorch's own files are
        content = {}
        with nullcontext() if folder else suppress(InputError):  # a file that cannot be read is told of below
            content = read_checkpoint(path, where)
        state = anchor_state(content, *names, where)
        if state is not None:
            return state, class_names_in(content, where)
    try:
        return timm_names(model, load_state_dict(path, weights_only=True)), None
    except (pickle.UnpicklingError, SafetensorError) as error:
        raise InputError(f"{path} cannot be loaded safely: it is truncated, or holds more than tensors") from error
    except Exception as error:  # what bytes that are no weights set off is not foreseeable
        if "weights_only" in str(error):  # how today's timm reports an UnpicklingError
            raise InputError(f"{path} cannot be loaded safely: it holds more than tensors") from error
        raise InputError(f"{path} is not a readable weight file (truncated, or another format)") from error


def classifier_names(model: nn.Module) -> tuple[str, ...]:
    """The modules that depend on the number of classes, as timm knows them; distilled models have two."""
    known: Any = model.pretrained_cfg
    names = known.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def timm_names(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a state dict of the model's original repository by timm's own filter function, where there is one."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return dict(state)
    # Layer scale has an old name too (gamma_1 for ls1.gamma), which timm converts only on request.
    request = {"adapt_layer_scale": True} if "adapt_layer_scale" in signature(convert).parameters else {}
    return dict(convert(dict(state), model, **request))


def with_own_norms(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``given``, with the auxiliary BatchNorms that ``expected`` has: without any, or with copies of the norms."""
    state = {key: value for key, value in given.items() if key in expected or AUXILIARY not in key}
    for key in expected:
        norm = key.partition(AUXILIARY)[0] + "." + key.rpartition(".")[2]
        if AUXILIARY in key and key not in state and norm in state:
            state[key] = state[norm].clone()
    return state


def state_differences(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """What differs between two state dicts, for people; empty if nothing does."""
    missing = [key for key in expected if key not in given]
    unknown = [key for key in given if key not in expected]
    reshaped = [
        f"{key} is {_shape(given[key])}, not {_shape(expected[key])}"
        for key in expected
        if key in given and _shape(given[key]) != _shape(expected[key])
    ]
    groups = (("missing", missing), ("unknown", unknown), ("of another shape", reshaped))
    return "; ".join(f"{len(keys)} {what}: {_some(keys)}" for what, keys in groups if keys)


def _shape(value: object) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__


def _some(keys: list[str], most: int = 4) -> str:
    return ", ".join(keys[:most]) + (", ..." if len(keys) > most else "")
