"""Small networks of the published families, and files in the published formats."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from snnet_lightning.anchors import AnchorFamily
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule, StagedRule, StitchRule, TwoWayRule

VIT = {"embed_dim": 16, "depth": 3, "num_heads": 2}
SWIN = {"embed_dim": 16, "depths": (1, 1, 3, 1), "num_heads": (1, 2, 2, 4), "window_size": 2}
FAMILIES: dict[str, tuple[list[str], int, list[dict], StitchRule, int | None]] = {
    "deit_ti_s_b": (["deit_tiny_patch16_224", "deit_small_patch16_224"], 32, [VIT, VIT], PairedRule(), None),
    "swin_ti_s_b": (
        ["swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"],
        64,
        [SWIN, SWIN | {"embed_dim": 24, "num_heads": (1, 2, 3, 4)}],
        StagedRule(),
        None,
    ),
    "resnet18_50": (["resnet18", "resnet26"], 32, [{}, {}], StagedRule((1, 2)), None),
    "resnet18_swin_ti": (["resnet18", "swin_tiny_patch4_window7_224"], 64, [{}, SWIN], StagedRule((1, 2)), None),
    "levit_192_256": (["levit_128s", "levit_128"], 224, [{}, {}], StagedRule((0, 1)), None),
    "deit3_s_l": (
        ["deit3_small_patch16_224", "deit3_large_patch16_224"],
        32,
        [VIT, VIT | {"embed_dim": 24, "depth": 6}],
        TwoWayRule(),
        4,
    ),
}


class MakesDirectory:
    """Unpickling this runs code: it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def small_family(name: str) -> AnchorFamily:
    names, size, each, *_ = FAMILIES[name]
    return AnchorFamily(tuple(names), (3, size, size), 10, "checkpoint", kwargs_each=tuple(each))


@pytest.fixture
def published() -> Callable[[str, Path], SNNet]:
    """Write a file as the published code would have for a small network of a family; returns the network."""

    def write(name: str, path: Path) -> SNNet:
        *_, rule, rank = FAMILIES[name]
        if name == "deit_ti_s_b":
            rule = PairedRule(final_norm=False)
        torch.manual_seed(0)
        net = SNNet(small_family(name).create(), rule, rank).eval()
        _perturb(net)
        state: dict[str, Tensor] = {}
        for index, anchor in enumerate(net.anchors):
            for place, (key, value) in enumerate(anchor.model.state_dict().items()):
                state |= _old_names(name, index, place, key, value)
        staged = any(part.count("_") == 2 for part in net.stitching_layers)
        for key, value in net.stitching_layers.state_dict().items():
            convolution = staged and not name.startswith(("swin", "levit")) and key.endswith("weight")
            old = key.replace("_", ".", key.split(".")[0].count("_"))
            state[f"stitch_layers.{old}"] = value[:, :, None, None] if convolution else value
        for layer in net.space.idle:
            like = net.stitching_layers["0_0"].transform.state_dict()
            prefix = f"stitch_layers.{'.'.join(map(str, layer.key))}.transform."
            state |= {f"{prefix}{key}": torch.zeros_like(value) for key, value in like.items()}
        torch.save({"model": state, "epoch": 49}, path)
        return net

    return write


@torch.no_grad()
def _perturb(net: nn.Module) -> None:
    """No tensor may be like another, or like a fresh one."""
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.mul_(torch.empty_like(value).uniform_(0.9, 1.1)).add_(torch.empty_like(value).uniform_(0, 0.02))


def _old_names(family: str, index: int, place: int, key: str, value: Tensor) -> dict[str, Tensor]:
    """An anchor's tensor under the name of the code that it was published with."""
    if family == "levit_192_256":  # where only the order is left
        return {f"anchors.{index}.old{place}.{key.split('.')[-1]}": value} if value.is_floating_point() else {}
    if family == "deit3_s_l":
        key = key.replace(".ls1.gamma", ".gamma_1").replace(".ls2.gamma", ".gamma_2")
    return {f"anchors.{index}.{key}": value}
