"""Read a checkpoint file safely: nothing in it is executed."""

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

from snnet_lightning.description import KEY, Description, read_description
from snnet_lightning.errors import InputError

PREFIX = "net."  # where SNNetModule keeps the network
STATE = "state_dict"


def read_checkpoint(path: str | Path, where: str) -> dict[str, Any]:
    """The content of a checkpoint file, on the CPU; tensors are read from the disk when they are used.

    An ``argparse.Namespace``, which published SN-Netv2 files hold, is the only class that is allowed beside tensors and
    plain containers.

    Args:
        where: the file as the user named it (``ckpt_path=...``), for the error.

    Raises:
        InputError: no such file, a truncated one, one that holds other objects, or not a mapping.
    """
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


def description_in(content: Mapping[str, Any], where: str) -> Description | None:
    """The description of the network in a checkpoint of ours; None if it has none.

    Raises:
        InputError: what stands in its place is none.
    """
    return read_description(content[KEY], where) if KEY in content else None


def own_state(content: Mapping[str, Any], prefix: str = PREFIX) -> dict[str, Tensor]:
    """The tensors of the network, or of what lies under ``prefix``, in a checkpoint of ours; empty if it is none."""
    state = content.get(STATE)
    if not isinstance(state, Mapping):
        return {}
    return {key.removeprefix(prefix): value for key, value in state.items() if str(key).startswith(prefix)}


def anchor_state(content: Mapping[str, Any], timm_name: str, alias: str, where: str) -> dict[str, Tensor] | None:
    """The tensors of one anchor in a checkpoint of ours, under its timm model's names; None if it is no checkpoint.

    Raises:
        InputError: no anchor in it has this timm name or alias, or it does not say which it has.
    """
    if not own_state(content):
        return None
    description = description_in(content, where)
    if description is None:
        raise InputError(f"{where}: an SN-Net checkpoint of version 0.1, which does not name its anchors")
    for index, anchor in enumerate(description.anchors):
        if anchor.name == timm_name or anchor.alias == alias:
            return own_state(content, f"{PREFIX}anchors.{index}.model.")
    names = ", ".join(anchor.alias for anchor in description.anchors)
    raise InputError(f"{where}: has no anchor {alias}; it has {names}")


def _reason(error: Exception) -> str:
    """The part of PyTorch's long explanation that names the culprit."""
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line]
    return lines[0].split(". ")[0] if lines else "it is truncated, or no PyTorch file"
