"""Write a network into a folder."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from safetensors.torch import save_file

from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.results import Row, stitch_rows, write_rows
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.saved.files import CONFIG, LIBRARY, STITCHES, WEIGHTS, read_config


def save_folder(net: SNNet, folder: str | Path, rows: Sequence[Row] | None = None) -> None:
    """Write a network, and what is known of its stitches, into ``folder``.

    Args:
        folder: new, empty, or of a saved SN-Net, whose files are replaced; others in it stay.
        rows: one a stitch, as an evaluation finds them; None: as the network has them, or their costs alone.

    Raises:
        InputError: the folder holds something else.
    """
    folder = Path(folder)
    _require_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        state = {name: value.detach().cpu().contiguous().clone() for name, value in net.state_dict().items()}
        save_file(state, unfinished / WEIGHTS, metadata={"format": "pt"})
        write_rows(rows or net.rows or stitch_rows(stitch_costs(net)), unfinished / STITCHES)
        config = {"library_name": LIBRARY, **net.description.as_data()}
        (unfinished / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        folder.mkdir(exist_ok=True)
        for name in (WEIGHTS, STITCHES, CONFIG):
            (unfinished / name).replace(folder / name)
    finally:
        shutil.rmtree(unfinished)


def _require_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            read_config(folder, str(folder))
        except InputError as error:
            raise InputError(f"{folder}: holds something else than a saved SN-Net; give a new folder") from error
