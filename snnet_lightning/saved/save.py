"""Write a network into a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from snnet_lightning.anchors.weights import AUXILIARY
from snnet_lightning.atomic import filled_at_once
from snnet_lightning.description import ORIGIN
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.results import stitch_rows, write_rows
from snnet_lightning.latency.table import with_latency, write_latency
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.network_folder import (
    CARD,
    CONFIG,
    LATENCY,
    PICTURE,
    STITCHES,
    WEIGHTS,
    holds_network,
    holds_timm_model,
    write_config,
)
from snnet_lightning.saved.card import write_card

FILES = (WEIGHTS, STITCHES, LATENCY, PICTURE, CARD, CONFIG)


def save_network(net: SNNet, folder: Path, loaded_by: str | None = None) -> None:
    """Write a network, and what is known of its stitches, into ``folder``.

    Args:
        folder: new, empty, or of a saved SN-Net or timm model, whose files are replaced; others in it stay.
        loaded_by: what its card says that it is loaded by; None: the folder itself.

    Raises:
        InputError: the folder holds something else.
    """
    with written_folder(folder) as unfinished:
        write_weights(net, unfinished)
        write_config({ORIGIN: net.origin.model_dump(mode="json"), **net.description.as_data()}, unfinished)
        _write_table(net, unfinished, loaded_by)


def save_latency(net: SNNet, folder: Path) -> None:
    """Write the latency of a network, and the table and card that tell of it, beside its weights in ``folder``."""
    with filled_at_once(folder, own=lambda name: False, last=CARD) as unfinished:
        _write_table(net, unfinished)


def _write_table(net: SNNet, folder: Path, loaded_by: str | None = None) -> None:
    rows = with_latency(net.rows or stitch_rows(stitch_costs(net)), net.latency)
    write_rows(rows, folder / STITCHES)
    if net.latency is not None:
        write_latency(net.latency, folder / LATENCY)
    write_card(net, rows, folder, loaded_by)


def write_weights(module: nn.Module, folder: Path) -> None:
    """Write the state dict of a module as safetensors, without BatchNorms that only a training has."""
    state = {
        name: value.detach().cpu().contiguous().clone()
        for name, value in module.state_dict().items()
        if AUXILIARY not in name
    }
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    mask = os.umask(0)
    os.umask(mask)
    (folder / WEIGHTS).chmod(0o666 & ~mask)  # safetensors makes files that nobody else can read


@contextmanager
def written_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder; what was written there comes into ``folder``, in place of a saved SN-Net or timm model.

    Where writing fails, ``folder`` stays as it was.

    Raises:
        InputError: the folder holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()) and not holds_network(folder) and not holds_timm_model(folder):
        raise InputError(f"{folder}: holds something else than a saved SN-Net; give a new folder")
    with filled_at_once(folder, own=FILES.__contains__, last=CONFIG) as unfinished:
        yield unfinished
