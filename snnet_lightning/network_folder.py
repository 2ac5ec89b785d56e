"""The files of a saved SN-Net, read safely: nothing in them is executed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnet_lightning.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
STITCHES = "stitches.jsonl"
LATENCY = "latency.json"
CARD = "README.md"
PICTURE = "front.png"
LIBRARY = "snnet_lightning"  # as the hub names libraries
ALONE = "stitch_alone"  # in the config of a folder that holds one stitch only: its name
EXPORT = "export"  # in the config of a folder that holds exported files: how they were made


def read_config(folder: Path, where: str) -> dict[str, Any]:
    """What stands in the config of a folder, as plain data.

    Args:
        where: the folder as the user named it, for the error.

    Raises:
        InputError: there is none, or it is of no SN-Net.
    """
    if not (folder / CONFIG).is_file():
        raise InputError(f"{where}: no saved SN-Net, for it has no {CONFIG}")
    try:
        config = _content(folder)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}/{CONFIG}: is no JSON ({error})") from error
    if _is_of_timm(config):
        raise InputError(f"{where}: holds a single timm model: timm.create_model('local-dir:{where}', pretrained=True)")
    if not isinstance(config, Mapping) or config.get("library_name") != LIBRARY:
        raise InputError(f"{where}/{CONFIG}: is of no SN-Net: library_name must be {LIBRARY}")
    return {key: value for key, value in config.items() if key != "library_name"}


def holds_network(folder: Path) -> bool:
    """Whether a folder is of a saved network, or of one stitch alone."""
    try:
        return EXPORT not in read_config(folder, str(folder))
    except InputError:
        return False


def holds_timm_model(folder: Path) -> bool:
    """Whether a folder is as timm saves a model."""
    try:
        return _is_of_timm(_content(folder))
    except (OSError, ValueError, RecursionError):
        return False


def _content(folder: Path) -> Any:
    return json.loads((folder / CONFIG).read_text(encoding="utf-8"))


def _is_of_timm(config: Any) -> bool:
    return isinstance(config, Mapping) and "architecture" in config and "anchors" not in config


def read_export(folder: Path, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description of the network whose stitches were exported into a folder, and how that was done.

    Raises:
        InputError: the folder holds no exported stitches.
    """
    config = read_config(folder, where)
    how = config.pop(EXPORT, None)
    if not isinstance(how, Mapping):
        raise InputError(f"{where}: holds no exported stitches, which python -m snnet_lightning.export makes")
    return config, dict(how)


def write_config(config: Mapping[str, Any], folder: Path) -> None:
    """Write what ``read_config`` reads."""
    text = json.dumps({"library_name": LIBRARY, **config}, indent=2, ensure_ascii=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def read_weights(folder: Path, where: str) -> "dict[str, Tensor]":
    """The tensors in a folder, on the CPU.

    Raises:
        InputError: there are none, or they are no safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # with PyTorch, which the other files are read without

    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{where}: has no {WEIGHTS}; weights in any other format are not loaded")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{where}/{WEIGHTS}: is damaged, or no safetensors file ({error})") from error
