"""Least squares over data that arrives batch by batch, in constant memory."""

import torch
from torch import Tensor

from snnet_lightning.errors import InputError
from snnet_lightning.float64 import in_float64

# Directions of the inputs whose variance is below this share of the largest are rounding noise of the activations.
# They are left out, which gives the solution of least norm, as the published pseudo-inverse does.
NOISE_FLOOR = 1e-12
ROUNDING = 1e-6  # of a float32 activation, relative to its size, with some room


class CoMoments:
    """Means and centred second moments of X (rows, p) with Y (rows, q), in float64.

    Batches are merged by the pairwise update of Chan, Golub and LeVeque (1983), which stays accurate where the mean is
    large against the spread; a plain sum of products would not.
    """

    mean_x: Tensor  # like all of these, of the rows that were seen; none before the first
    mean_y: Tensor
    products: Tensor

    def __init__(self) -> None:
        self.rows = 0

    def update(self, x: Tensor, y: Tensor) -> None:
        x, y = in_float64(x), in_float64(y)
        rows, mean_x, mean_y = len(x), x.mean(0), y.mean(0)
        products = (x - mean_x).T @ (y - mean_y)
        if self.rows == 0:
            self.rows, self.mean_x, self.mean_y, self.products = rows, mean_x, mean_y, products
            return
        total = self.rows + rows
        shift_x, shift_y = mean_x - self.mean_x, mean_y - self.mean_y
        self.products += products + torch.outer(shift_x, shift_y) * (self.rows * rows / total)
        self.mean_x += shift_x * (rows / total)
        self.mean_y += shift_y * (rows / total)
        self.rows = total


def pseudo_inverse(inputs: CoMoments) -> Tensor:
    """Inverse of the centred X'X (p, p) on the directions in which the inputs vary at all.

    Raises:
        InputError: the rows hold values that are not finite.
    """
    if not inputs.products.isfinite().all():
        raise InputError("least squares over activations that are not finite: an anchor's weights are broken")
    # To unit variance first, so that a feature on a small scale is not taken for noise; but a constant one (a channel
    # that never fires) stays out.
    squares = inputs.products.diagonal()
    varies = squares > inputs.rows * (ROUNDING * inputs.mean_x) ** 2
    scale = torch.where(varies, squares, 1.0).sqrt()
    weights = torch.outer(varies / scale, varies / scale)
    values: Tensor
    vectors: Tensor
    values, vectors = torch.linalg.eigh(inputs.products * weights)
    inverse = torch.where(values > NOISE_FLOOR * values[-1], 1 / values, 0.0)
    return (vectors * inverse) @ vectors.T * weights


def solve(inverse: Tensor, crossed: CoMoments) -> tuple[Tensor, Tensor]:
    """W (p, q) and b (q) that minimise |X W + b - Y| over all rows seen.

    Args:
        inverse: ``pseudo_inverse`` of the moments of X with X.
        crossed: moments of X with Y.
    """
    weight = inverse @ crossed.products
    return weight, crossed.mean_y - crossed.mean_x @ weight
