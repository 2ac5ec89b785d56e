"""Import checkpoints in the format of the published SN-Net code.

Such a file is ``{"model": state_dict, ...}`` with ``anchors.I.<name in the anchor's original repository>`` and
``stitch_layers.<indices>.transform.{weight,bias}``, where the indices are the key of the stitching layer here.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from snnet_lightning.anchors.weights import state_differences, timm_names
from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import without_final_norm

ANCHOR = re.compile(r"anchors\.(\d+)\.(.+)")
# What the published code saves although it follows from the sizes alone, and timm does not.
TABLES = ("relative_position_index", "attn_mask", "attention_bias_idxs")
# timm renamed all of LeViT and no longer converts old names, but kept the order.
SAME_ORDER = ("Levit", "LevitDistilled")
STITCHING_LAYER = re.compile(r"stitch_layers\.([\d.]+)\.transform\.(.+)")


def is_released(content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's content has the published format."""
    state = content.get("model")
    return isinstance(state, dict) and any(STITCHING_LAYER.fullmatch(key) for key in state)


def load_released(net: SNNet, content: Mapping[str, Any], path: str) -> None:
    """Load a published checkpoint; one of DeiT also switches the final norm off for stitches, as it was trained.

    Raises:
        InputError: names or shapes do not fit the configured network; lists them.
    """
    state = _our_names(net, content["model"])
    differences = state_differences(net.state_dict(), state)
    if differences:
        names = ", ".join(anchor.name for anchor in net.anchors)
        raise InputError(
            f"ckpt_path={path}: a published SN-Net file, but not of the configured anchors ({names}): {differences}"
        )
    net.load_state_dict(state)
    if net.space.kind == "paired":
        net.space = without_final_norm(net.space)


def _our_names(net: SNNet, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    idle = {".".join(map(str, layer.key)) for layer in net.space.idle}
    ours: dict[str, Tensor] = {}
    by_anchor: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        if match := ANCHOR.fullmatch(key):
            by_anchor.setdefault(int(match[1]), {})[match[2]] = value
        elif match := STITCHING_LAYER.fullmatch(key):
            if match[1] not in idle:
                # Feature maps are mapped by 1x1 convolutions there, by the same matrix here.
                matrix = value.flatten(1) if match[2] == "weight" else value
                ours[f"stitching_layers.{match[1].replace('.', '_')}.transform.{match[2]}"] = matrix
        else:
            ours[key] = value  # to be refused by name
    for index, values in by_anchor.items():
        known = index < len(net.anchors)
        converted = _timm_state(net.anchors[index].model, values) if known else values
        ours |= {f"anchors.{index}.model.{key}": value for key, value in converted.items()}
    return ours


def _timm_state(model: nn.Module, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An anchor's published tensors under timm's names, beside timm's own tables, which follow from the sizes."""
    expected = model.state_dict()
    values = {key: value for key, value in values.items() if key in expected or not key.endswith(TABLES)}
    same_order = type(model).__name__ in SAME_ORDER
    converted = _named_by_order(expected, values) if same_order else timm_names(model, values)
    tables = {key: value for key, value in expected.items() if not value.is_floating_point()}
    return tables | converted


def _named_by_order(expected: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the floating-point tensors by their order, where the shapes agree one by one; else leave the names."""
    names = [key for key, value in expected.items() if value.is_floating_point()]
    tensors = [value for value in values.values() if value.is_floating_point()]
    if [expected[name].shape for name in names] != [tensor.shape for tensor in tensors]:
        return dict(values)
    return dict(zip(names, tensors, strict=True))
