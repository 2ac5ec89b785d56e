"""Import checkpoints in the format of the published SN-Net code.

Such a file is ``{"model": state_dict, ...}`` with ``anchors.I.<name in the anchor's original repository>`` and
``stitch_layers.<indices>.transform.{weight,bias}``, where the indices are the key of the stitching layer here.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from snnet_lightning.anchors.weights import timm_names
from snnet_lightning.checkpoint_file import tensors_of
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch import PairedRule, StagedRule, StitchRule, TwoWayRule

ANCHOR = re.compile(r"anchors\.(\d+)\.(.+)")
# What the published code saves although it follows from the sizes alone, and timm does not.
TABLES = ("relative_position_index", "attn_mask", "attention_bias_idxs")
# timm renamed all of LeViT and no longer converts old names, but kept the order.
SAME_ORDER = ("Levit", "LevitDistilled")
STITCHING_LAYER = re.compile(r"stitch_layers\.(\d+(?:\.\d+)*)\.transform\.(.+)")
LOW_RANK = re.compile(r"stitch(?:ing)?_layers\..+\.transform\.lora_A")


def is_released(content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's content has the published format."""
    return any(STITCHING_LAYER.fullmatch(key) for key in tensors_of(content.get("model")))


def low_rank_of(state: Mapping[str, Any]) -> int | None:
    """The rank of the low-rank terms in a published state dict, or in one of ours; None if it has none."""
    found = [value for key, value in tensors_of(state).items() if LOW_RANK.fullmatch(key) and value.ndim == 2]
    return len(found[0]) if found else None


def rule_of(content: Mapping[str, Any], stages: int) -> StitchRule:
    """The stitch rule that a published checkpoint is of, as the indices of its stitching layers tell.

    Those of DeiT (``PAIR.LAYER``) were trained without the final norm in stitches; SN-Netv2 has low-rank terms; the
    others (``STAGE.PAIR.LAYER``) are stitched in some stages, the one before the last the last of them.

    Args:
        stages: how many the anchors have.
    """
    keys = [match[1].split(".") for key in tensors_of(content["model"]) if (match := STITCHING_LAYER.fullmatch(key))]
    if low_rank_of(content["model"]):
        return TwoWayRule()
    if all(len(key) == 2 for key in keys):
        return PairedRule(final_norm=False)
    stitched = 1 + max(int(key[0]) for key in keys)
    return StagedRule(stages=tuple(range(max(0, stages - 1 - stitched), stages - 1)))


def released_state(net: SNNet, content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a published checkpoint under the names of ``net``; what it has no name for keeps its own."""
    state = tensors_of(content["model"])
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
    heads = {name for name in names if name.startswith("head")}  # may be for other classes
    fits = len(names) == len(tensors) and all(
        name in heads or expected[name].shape == tensor.shape for name, tensor in zip(names, tensors, strict=True)
    )
    return dict(zip(names, tensors, strict=True)) if fits else dict(values)
