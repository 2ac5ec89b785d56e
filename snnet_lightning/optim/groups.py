"""Named parameter groups: anchors and stitching layers, each with and without weight decay."""

from collections.abc import Collection
from typing import Any

from timm.optim import param_groups_weight_decay

from snnet_lightning.network.snnet import SNNet


def parameter_groups(
    net: SNNet,
    weight_decay: float,
    anchor_lr_scale: float,
    stitch_lr_scale: float,
    decay_positions: bool = False,
    decay_stitch_biases: bool = False,
) -> list[dict[str, Any]]:
    """Groups for an optimiser, each with ``name``, ``lr_scale`` (read by timm's schedulers) and ``weight_decay``.

    Biases and norms are not decayed, nor is what a model's own ``no_weight_decay()`` names. Frozen parameters and empty
    groups are left out.

    Args:
        decay_positions: decay what ``no_weight_decay()`` names.
        decay_stitch_biases: decay the biases of the stitching layers.
    """
    groups: dict[str, dict[str, Any]] = {}
    for owner, modules, lr_scale in (
        ("anchors", [anchor.model for anchor in net.anchors], anchor_lr_scale),
        ("stitching_layers", net.stitching_layers.values(), stitch_lr_scale),
    ):
        for module in modules:
            spared: Collection[str] = () if decay_positions else getattr(module, "no_weight_decay", set)()
            for part in param_groups_weight_decay(module, weight_decay, no_weight_decay_list=spared):
                if owner == "stitching_layers" and decay_stitch_biases:
                    part["weight_decay"] = weight_decay
                name = f"{owner}_{'decay' if part['weight_decay'] else 'no_decay'}"
                group = groups.setdefault(name, part | {"name": name, "lr_scale": lr_scale, "params": []})
                group["params"] += part["params"]
    return list(groups.values())
