"""Read a checkpoint file safely: nothing in it is executed."""

import pickle
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from torch.serialization import safe_globals

from snnet_lightning.errors import InputError


def read_checkpoint(path: str) -> dict[str, Any]:
    """The content of a checkpoint file, on the CPU.

    An ``argparse.Namespace``, which published SN-Netv2 files hold, is the only class that is allowed beside tensors and
    plain containers.

    Raises:
        InputError: no such file, a truncated one, one that holds other objects, or not a mapping.
    """
    if not Path(path).is_file():
        raise InputError(f"ckpt_path={path}: no such file")
    try:
        with safe_globals([Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"ckpt_path={path}: not a checkpoint that can be loaded safely ({_reason(error)})") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"ckpt_path={path}: the file is truncated or not a checkpoint") from error
    if not isinstance(content, dict):
        raise InputError(f"ckpt_path={path}: holds a {type(content).__name__}, not a checkpoint")
    return content


def _reason(error: Exception) -> str:
    """The part of PyTorch's long explanation that names the culprit."""
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line]
    return lines[0].split(". ")[0] if lines else "it is truncated, or no PyTorch file"
