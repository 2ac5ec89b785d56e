"""One stitch as a module by itself, with nothing of the others in it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.cut import cut
from snnet_lightning.description import Description, LayersDescription
from snnet_lightning.network.modules_of import ModuleDictOf
from snnet_lightning.network.split_batchnorm import without_auxiliary
from snnet_lightning.stitch.route import AnchorPart, Layer, Part, Stitch

if TYPE_CHECKING:
    from snnet_lightning.network.snnet import SNNet


class ExtractedStitch(nn.Module):
    """The parts of one stitch: images (N, C, H, W) -> logits (N, classes).

    Its parameters and buffers have the names that they have in the SN-Net.

    Args:
        name: of the stitch.
        description: of the SN-Net, but without low-rank terms, which are folded in.
        route: of the stitch.
        anchors: those that it visits, by their place in the SN-Net.
        stitching_layers: in the order in which they run, by their names in the SN-Net.
    """

    def __init__(
        self,
        name: str,
        description: Description,
        route: Sequence[Part],
        anchors: Mapping[int, Anchor],
        stitching_layers: Mapping[str, nn.Module],
    ):
        super().__init__()
        self.name, self.description, self.route = name, description, tuple(route)
        self.anchors: ModuleDictOf[Anchor] = ModuleDictOf({str(index): anchor for index, anchor in anchors.items()})
        self.stitching_layers = nn.ModuleDict(stitching_layers)

    def forward(self, x: Tensor) -> Tensor:
        layers = iter(self.stitching_layers.values())
        for part in self.route:
            x = next(layers)(x) if isinstance(part, Layer) else self.anchors[str(part.anchor)].run(part, x)
        return x


def extract(net: SNNet, stitch: Stitch) -> nn.Module:
    """A copy of ``stitch`` in eval mode; that of an anchor is the timm model.

    Low-rank terms are folded into their stitching layers, and calibrated BatchNorm statistics are the layers' own.
    """
    parts: dict[int, list[AnchorPart]] = {}
    for part in stitch.route:
        if not isinstance(part, Layer):
            parts.setdefault(part.anchor, []).append(part)
    anchors = {index: cut(net.anchors[index], own) for index, own in parts.items()}
    names = {module: name for name, module in net.anchors.named_modules()}
    for norm, mean, variance in net.route_statistics.own_of(stitch):
        index, _, name = names[norm].partition(".")
        copied = anchors[int(index)].get_submodule(name)
        copied.running_mean, copied.running_var = mean.clone(), variance.clone()
    for anchor in anchors.values():
        without_auxiliary(anchor)
    if stitch.is_anchor:
        extracted: nn.Module = anchors[stitch.anchors[0]].model
    else:
        layers = {key: copy.deepcopy(layer.folded()) for key, layer in net.stitching_layers_of(stitch)}
        described = net.description.model_copy(update={"layers": LayersDescription()})
        extracted = ExtractedStitch(stitch.name, described, stitch.route, anchors, layers)
    return extracted.requires_grad_(True).eval()
