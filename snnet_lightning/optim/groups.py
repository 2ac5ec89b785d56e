"""Named parameter groups: anchors and stitching layers, each with and without weight decay."""

from typing import Any

from timm.optim import param_groups_weight_decay

from snnet_lightning.network.snnet import SNNet


def parameter_groups(
    net: SNNet, weight_decay: float, anchor_lr_scale: float, stitch_lr_scale: float
) -> list[dict[str, Any]]:
    """Groups for an optimiser, each with ``name``, ``lr_scale`` (read by timm's schedulers) and ``weight_decay``.

    Biases, norms and what a model's own ``no_weight_decay()`` names are not decayed. Frozen parameters and empty groups
    are left out.
    """
    groups: dict[str, dict[str, Any]] = {}
    for owner, modules, lr_scale in (
        ("anchors", [anchor.model for anchor in net.anchors], anchor_lr_scale),
        ("stitching_layers", net.stitching_layers.values(), stitch_lr_scale),
    ):
        for module in modules:
            spared = getattr(module, "no_weight_decay", set)()
            for part in param_groups_weight_decay(module, weight_decay, no_weight_decay_list=spared):
                name = f"{owner}_{'decay' if part['weight_decay'] else 'no_decay'}"
                group = groups.setdefault(name, part | {"name": name, "lr_scale": lr_scale, "params": []})
                group["params"] += part["params"]
    return list(groups.values())
