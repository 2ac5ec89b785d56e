"""Load a checkpoint into an SN-Net, whichever kind it is."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from snnet_lightning.anchors.weights import state_differences
from snnet_lightning.checkpoints.read import read_checkpoint
from snnet_lightning.checkpoints.released import is_released, load_released
from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet

PREFIX = "net."  # where SNNetModule keeps the network


def load_checkpoint(net: SNNet, path: str | None) -> None:
    """Load weights from one of our checkpoints, or from a published SN-Net file.

    Raises:
        InputError: no path, an unreadable or foreign file, or one that does not fit the configured network.
    """
    if path is None:
        raise InputError(
            "ckpt_path is missing: give ckpt_path=FILE, or accuracy=false for the cost of the stitches alone"
        )
    content = read_checkpoint(path)
    if is_released(content):
        load_released(net, content, path)
    else:
        net.load_state_dict(_own_state(net, content, path))
    net.initialised = True


def require_resumable(net: SNNet, path: str | None) -> None:
    """Check that training can go on from ``path``; None is fine, and means a new run.

    Raises:
        InputError: the file is not one of our checkpoints, or does not fit the configured network.
    """
    if path is None:
        return
    content = read_checkpoint(path)
    _own_state(net, content, path)
    if "optimizer_states" not in content:
        raise InputError(f"ckpt_path={path}: holds weights only, so training cannot go on from it")


def _own_state(net: SNNet, content: Mapping[str, Any], path: str) -> dict[str, Tensor]:
    state = content.get("state_dict")
    if not isinstance(state, dict) or not any(key.startswith(PREFIX) for key in state):
        keys = ", ".join(map(str, list(content)[:4])) or "nothing"
        raise InputError(
            f"ckpt_path={path}: not an SN-Net checkpoint, ours or published (it holds {keys}); "
            "weights of a single anchor belong to anchors.weights"
        )
    own = {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
    differences = state_differences(net.state_dict(), own)
    if differences:
        trained = " ".join(content.get("overrides", [])) or "the default configuration"
        raise InputError(
            f"ckpt_path={path}: trained with {trained}, which does not fit the configured network: {differences}"
        )
    return own
