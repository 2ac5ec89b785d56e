"""The files of a saved SN-Net, and what its ``config.json`` says."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnet_lightning.errors import InputError

CONFIG, WEIGHTS, STITCHES = "config.json", "model.safetensors", "stitches.jsonl"
LIBRARY = "snnet_lightning"  # as the hub names libraries


def read_config(folder: Path, where: str) -> dict[str, Any]:
    """The description in a folder, as the plain data that stands there.

    Raises:
        InputError: there is none.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{where}: no saved SN-Net, for it has no {CONFIG}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}/{CONFIG}: is no JSON ({error})") from error
    if isinstance(config, Mapping) and "architecture" in config and "anchors" not in config:
        raise InputError(f"{where}: holds a single timm model: timm.create_model('local-dir:{where}', pretrained=True)")
    if not isinstance(config, Mapping) or config.get("library_name") != LIBRARY:
        raise InputError(f"{where}/{CONFIG}: is of no SN-Net: library_name must be {LIBRARY}")
    return {key: value for key, value in config.items() if key != "library_name"}
