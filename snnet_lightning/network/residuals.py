"""How well a linear map joins two anchors, place by place."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from torch import Tensor

from snnet_lightning.network.least_squares import CoMoments


@dataclass(frozen=True)
class Place:
    """One place where a stitching layer joins two anchors, named as a stitch is.

    ``relative_error`` is |XW + b - Y| / |Y - mean(Y)|: 0 for a perfect fit, 1 for one as good as the mean of Y.
    ``cka`` is the linear centred kernel alignment of X and Y (Kornblith et al., ICML 2019, equation 4), 0 to 1.
    """

    name: str
    relative_error: float
    cka: float


@dataclass(frozen=True)
class LayerResidual:
    """A stitching layer after least squares, over all its ``places``: the errors pooled, the mean of ``cka``."""

    layer: str
    relative_error: float
    cka: float
    places: Sequence[Place]


def squared_error(inputs: CoMoments, crossed: CoMoments, targets: CoMoments, weight: Tensor, bias: Tensor) -> float:
    """|XW + b - Y|^2 over all rows, from the moments of X with X, X with Y, and Y with Y."""
    offset = crossed.mean_y - crossed.mean_x @ weight - bias
    spread = targets.products.trace() - 2 * (weight * crossed.products).sum()
    spread += (weight * (inputs.products @ weight)).sum() + crossed.rows * offset.square().sum()
    return max(0.0, spread.item())  # rounding can take a perfect fit below zero


def linear_cka(inputs: CoMoments, crossed: CoMoments, targets: CoMoments) -> float:
    """Linear centred kernel alignment of X and Y; 0 where one of them never varies."""
    norms = (inputs.products.norm() * targets.products.norm()).item()
    return crossed.products.square().sum().item() / norms if norms else 0.0


def relative(error: float, total: float) -> float:
    """Root of the share of ``total`` that ``error`` is; 0 where there is nothing to explain and nothing wrong."""
    return sqrt(error / total) if total else float(error > 0)
