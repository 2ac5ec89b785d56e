"""The stitching layer: a linear map between the activations of two anchors."""

import torch.nn.functional as F
from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Activation
from snnet_lightning.errors import InputError


class StitchingLayer(nn.Module):
    """Maps the channels of one anchor's activations to another's, and one layout to the other.

    On feature maps this is the 1x1 convolution of SN-Net (section 3.1).

    Args:
        source: activations of the front anchor.
        target: activations that the end anchor expects.

    Raises:
        InputError: the two differ in the number of tokens or pixels.
    """

    def __init__(self, source: Activation, target: Activation):
        super().__init__()
        _require_same_positions(source, target)
        self.source, self.target = source, target
        self.transform = nn.Linear(source.channels, target.channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.source.layout == self.target.layout == "NCHW":
            weight = self.transform.weight[:, :, None, None]
            return F.conv2d(x, weight, self.transform.bias)
        return from_channels_last(self.transform(channels_last(x, self.source)), self.target)


def channels_last(x: Tensor, activation: Activation) -> Tensor:
    """To (N, L, C) or (N, H, W, C)."""
    return x.permute(0, 2, 3, 1) if activation.layout == "NCHW" else x


def from_channels_last(x: Tensor, activation: Activation) -> Tensor:
    """From (N, L, C) or (N, H, W, C) to the layout and shape of ``activation``."""
    if activation.layout == "NCHW":
        return x.reshape(x.shape[0], *activation.spatial, x.shape[-1]).permute(0, 3, 1, 2).contiguous()
    return x.reshape(x.shape[0], *activation.spatial, x.shape[-1])


def _require_same_positions(source: Activation, target: Activation) -> None:
    if source.spatial == target.spatial:
        return
    flat = len(source.spatial) != len(target.spatial)  # tokens on one side, a feature map on the other
    if not flat or _count(source) != _count(target):
        raise InputError(
            f"activations differ in spatial size: {source.layout} {source.shape} against {target.layout} {target.shape}"
        )


def _count(activation: Activation) -> int:
    count = 1
    for size in activation.spatial:
        count *= size
    return count
