"""The stitching layer: a linear map between the activations of two anchors."""

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Activation
from snnet_lightning.errors import InputError
from snnet_lightning.network.low_rank import LowRankLinear


class StitchingLayer(nn.Module):
    """Maps the channels of one anchor's activations to another's, and one layout to the other.

    On feature maps this is the 1x1 convolution of SN-Net (section 3.1). Where the target has fewer class tokens than
    the source, the last ones are dropped; where it has more, each new one is the map of the mean of all other tokens.
    Activations of another image size keep their own height and width; tokens become a map of the target's.

    Args:
        source: activations of the front anchor.
        target: activations that the end anchor expects.
        low_rank: rank of a trained low-rank term beside the then frozen matrix (SN-Netv2), or None.

    Raises:
        InputError: the two differ in their grid of tokens or pixels.
    """

    def __init__(self, source: Activation, target: Activation, low_rank: int | None = None):
        super().__init__()
        _require_same_grid(source, target)
        self.source, self.target = source, target
        self.transform: nn.Linear | LowRankLinear
        if low_rank is None:
            self.transform = nn.Linear(source.channels, target.channels)
        else:
            self.transform = LowRankLinear(source.channels, target.channels, low_rank)

    def forward(self, x: Tensor) -> Tensor:
        if self.source.layout == self.target.layout == "NCHW" and type(self.transform) is nn.Linear:
            return F.conv2d(x, self.transform.weight[:, :, None, None], self.transform.bias)
        y: Tensor = self.transform(self.align(x))
        if self.target.layout == "NLC":
            return y
        grid = {"NCHW": x.shape[2:], "NHWC": x.shape[1:3], "NLC": self.target.spatial}[self.source.layout]
        y = y.unflatten(1, grid)
        return y.permute(0, 3, 1, 2).contiguous() if self.target.layout == "NCHW" else y

    @property
    def any_size(self) -> bool:
        """Whether activations of another image size are mapped too: tokens alone do not say how high a map is."""
        return self.source.layout != "NLC" or self.target.layout == "NLC"

    def folded(self) -> "StitchingLayer":
        """This layer with a low-rank term folded in, as it is exported."""
        if not isinstance(self.transform, LowRankLinear):
            return self
        layer = StitchingLayer(self.source, self.target)
        layer.transform = self.transform.folded()
        return layer

    def align(self, x: Tensor) -> Tensor:
        """The source's activations as tokens (N, L, C), one for every token or pixel of the target."""
        tokens = tokens_of(x, self.source)
        surplus = self.source.prefix - self.target.prefix
        if surplus == 0:
            return tokens
        prefix, others = tokens[:, : self.source.prefix], tokens[:, self.source.prefix :]
        if surplus > 0:
            return torch.cat([prefix[:, : self.target.prefix], others], 1)
        return torch.cat([prefix, others.mean(1, keepdim=True).expand(-1, -surplus, -1), others], 1)


def tokens_of(x: Tensor, activation: Activation) -> Tensor:
    """Activations in any layout as (N, L, C)."""
    return (x.permute(0, 2, 3, 1) if activation.layout == "NCHW" else x).flatten(1, -2)


def _require_same_grid(source: Activation, target: Activation) -> None:
    """Height and width must agree; a flat list of tokens must have as many, class tokens left out."""
    if len(source.spatial) == len(target.spatial) == 2:
        same = source.spatial == target.spatial
    else:
        same = prod(source.spatial) - source.prefix == prod(target.spatial) - target.prefix
    if not same:
        raise InputError(
            f"activations differ in spatial size: {source.layout} {source.shape} against {target.layout} {target.shape}"
        )
