"""Import checkpoints in the format of the published SN-Net code.

Such a file is ``{"model": state_dict, ...}`` with ``anchors.I.<name in the anchor's original repository>`` and
``stitch_layers.<indices>.transform.{weight,bias}``, where the indices are the key of the stitching layer here.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from snnet_lightning.anchors.weights import state_differences, timm_names
from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import without_final_norm

ANCHOR = re.compile(r"anchors\.(\d+)\.(.+)")
STITCHING_LAYER = re.compile(r"stitch_layers\.([\d.]+)\.transform\.(.+)")


def is_released(content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's content has the published format."""
    state = content.get("model")
    return isinstance(state, dict) and any(STITCHING_LAYER.fullmatch(key) for key in state)


def load_released(net: SNNet, content: Mapping[str, Any], path: str) -> None:
    """Load a published checkpoint, and switch the final norm off for stitches, as it was trained.

    Raises:
        InputError: names or shapes do not fit the configured network; lists them.
    """
    state = _our_names(net, content["model"])
    differences = state_differences(net.state_dict(), state)
    if differences:
        raise InputError(f"ckpt_path={path}: a published file that does not fit the configured anchors: {differences}")
    net.load_state_dict(state)
    net.space = without_final_norm(net.space)


def _our_names(net: SNNet, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ours: dict[str, Tensor] = {}
    by_anchor: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        if match := ANCHOR.fullmatch(key):
            by_anchor.setdefault(int(match[1]), {})[match[2]] = value
        elif match := STITCHING_LAYER.fullmatch(key):
            # Feature maps are mapped by 1x1 convolutions there, by the same matrix here.
            matrix = value.flatten(1) if match[2] == "weight" else value
            ours[f"stitching_layers.{match[1].replace('.', '_')}.transform.{match[2]}"] = matrix
        else:
            ours[key] = value  # to be refused by name
    for index, values in by_anchor.items():
        known = index < len(net.anchors)
        converted = timm_names(net.anchors[index].model, values) if known else values
        ours |= {f"anchors.{index}.model.{key}": value for key, value in converted.items()}
    return ours
