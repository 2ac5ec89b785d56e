"""The network in a folder; nothing in it is executed."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from snnet_lightning.anchors.weights import state_differences
from snnet_lightning.description import read_description
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import read_rows
from snnet_lightning.network.bounded import build_within
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.saved.files import CONFIG, STITCHES, WEIGHTS, read_config


def load_folder(folder: str | Path) -> SNNet:
    """The network in a folder, in eval mode, on the CPU.

    Raises:
        InputError: a file is missing or damaged, the weights are no safetensors, or do not fit the description.
    """
    folder, where = Path(folder), str(folder)
    description = read_description(read_config(folder, where), f"{where}/{CONFIG}")
    state = _weights(folder, where)
    net = build_within(description, state, where)
    differences = state_differences(net.state_like(state), state)
    if differences:
        raise InputError(f"{where}: {WEIGHTS} is not of the network in {CONFIG}: {differences}")
    net.load_state_dict(state)
    net.initialised = True
    net.rows = read_rows(folder / STITCHES, net.space) if (folder / STITCHES).is_file() else ()
    return net.eval()


def _weights(folder: Path, where: str) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{where}: has no {WEIGHTS}; weights in any other format are not loaded")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{where}/{WEIGHTS}: is damaged, or no safetensors file ({error})") from error
