"""Read a checkpoint file, or the folder of a saved SN-Net, safely: nothing in it is executed."""

import pickle
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import safe_globals

from snnet_lightning.description import KEY, ORIGIN, Description, read_description
from snnet_lightning.errors import InputError
from snnet_lightning.network_folder import ALONE, CONFIG, EXPORT, read_config, read_weights

PREFIX = "net."  # where SNNetModule keeps the network
STATE = "state_dict"
MOVING = "moving"  # the parameters that go on moving in steps that do not use them, by name
INITIALISED = "stitching_layers_initialised"  # False in the first phase of a training that tunes the anchors first


def read_checkpoint(path: str | Path, where: str) -> dict[str, Any]:
    """The content of a checkpoint file, on the CPU; tensors are read from the disk when they are used.

    That of the folder of a saved SN-Net is as of a checkpoint.

    An ``argparse.Namespace``, which published SN-Netv2 files hold, is the only class that is allowed beside tensors and
    plain containers.

    Args:
        where: the file as the user named it (``ckpt_path=...``), for the error.

    Raises:
        InputError: no such file, a truncated one, one that holds other objects, or not a mapping.
    """
    if Path(path).is_dir():
        return _read_folder(Path(path), where)
    if not Path(path).is_file():
        raise InputError(f"{where}: no such file")
    try:
        with safe_globals([Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle that is refused below
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise InputError(f"{where}: not a checkpoint that can be loaded safely ({_reason(error)})") from error
    # What bytes that are no checkpoint set off in the unpickler is not foreseeable.
    except Exception as error:
        raise InputError(f"{where}: the file is truncated or not a checkpoint") from error
    if not isinstance(content, dict):
        raise InputError(f"{where}: holds a {type(content).__name__}, not a checkpoint")
    return content


def _read_folder(folder: Path, where: str) -> dict[str, Any]:
    config = read_config(folder, where)
    if EXPORT in config:
        raise InputError(f"{where}: holds exported files, which evaluate.py exported={folder} runs")
    state = {PREFIX + name: value for name, value in read_weights(folder, where).items()}
    more = {key: config.pop(key) for key in (ALONE, ORIGIN) if key in config}
    return {STATE: state, KEY: read_description(config, f"{where}/{CONFIG}").as_data(), **more}


def description_in(content: Mapping[str, Any], where: str) -> Description | None:
    """The description of the network in a checkpoint of ours; None if it has none.

    Raises:
        InputError: what stands in its place is none.
    """
    return read_description(content[KEY], where) if KEY in content else None


def class_names_in(content: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    """The names of the classes that a checkpoint of ours is for, as far as it says them; errors as above."""
    description = description_in(content, where)
    return description.class_names if description else None


def own_state(content: Mapping[str, Any], prefix: str = PREFIX) -> dict[str, Tensor]:
    """The tensors of the network, or of what lies under ``prefix``, in a checkpoint of ours; empty if it is none."""
    state = content.get(STATE)
    return {key.removeprefix(prefix): value for key, value in tensors_of(state).items() if key.startswith(prefix)}


def tensors_of(state: Any) -> dict[str, Tensor]:
    """What of a state dict is one: names, and tensors with values."""
    items = state.items() if isinstance(state, Mapping) else ()
    return {k: v for k, v in items if isinstance(k, str) and isinstance(v, Tensor) and _has_values(v)}


def _has_values(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_complex()


def require_ours(content: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """The tensors of the network in a checkpoint of ours.

    Raises:
        InputError: it is none.
    """
    state = own_state(content)
    if ALONE in content:
        raise InputError(f"{where}: holds one stitch alone, {content[ALONE]!r:.80}, which snnet_lightning.load reads")
    if not state:
        keys = ", ".join(map(str, list(content)[:4])) or "nothing"
        raise InputError(
            f"{where}: not an SN-Net checkpoint, ours or published (it holds {keys}); "
            "weights of a single anchor belong to anchors.weights"
        )
    return state


def anchor_state(content: Mapping[str, Any], timm_name: str, alias: str, where: str) -> dict[str, Tensor] | None:
    """The tensors of one anchor in a checkpoint of ours, under its timm model's names; None if it is no checkpoint.

    Where several have this timm name, it is the one of this alias.

    Raises:
        InputError: none in it is meant, or it does not say which it has.
    """
    if not own_state(content):
        return None
    description = description_in(content, where)
    if description is None:
        raise InputError(f"{where}: an SN-Net checkpoint of version 0.1, which does not name its anchors")
    anchors = description.anchors
    meant = [i for i, anchor in enumerate(anchors) if _architecture(anchor.name) == _architecture(timm_name)]
    if len(meant) > 1:
        meant = [i for i in meant if anchors[i].alias == alias]
    if not meant:
        known = ", ".join(f"{anchor.name} as {anchor.alias}" for anchor in anchors)
        raise InputError(f"{where}: has no anchor {timm_name} as {alias}; it has {known}")
    return own_state(content, f"{PREFIX}anchors.{meant[0]}.model.")


def _architecture(timm_name: str) -> str:
    return timm_name.split(".")[0]


def _reason(error: Exception) -> str:
    """The part of PyTorch's long explanation that names the culprit."""
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line]
    return lines[0].split(". ")[0] if lines else "it is truncated, or no PyTorch file"
