"""Estimate BatchNorm statistics anew for every stitch, and keep them where they help."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from snnet_lightning.errors import InputError
from snnet_lightning.evaluating import evaluating
from snnet_lightning.float64 import in_float64
from snnet_lightning.network.compile_parts import uncompiled
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.network.route_statistics import RouteStatistics, own_statistics
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Stitch

HELD_BACK = 0.2  # share of the images on which it is decided whether the new statistics are better
Batch = tuple[Tensor, Tensor]  # images (N, C, H, W); classes (N), or shares of classes (N, classes)


@torch.no_grad()
def calibrate(
    net: SNNet, batches: Iterable[Batch], images: int, stitches: Sequence[Stitch] | None = None
) -> tuple[int, int]:
    """Give every stitch for which it is better BatchNorm statistics of its own (``net.route_statistics``).

    They are those that the layers see when every one of them normalises by the batch, pooled over the batches exactly.
    All stitches go through one walk over the tree of their shared prefixes. The last fifth of the images is held back:
    a stitch whose cross-entropy is no lower there with statistics of its own keeps those of the layers.

    Args:
        batches: training images as they are evaluated, with their classes.
        images: how many to use of them.
        stitches: which to calibrate, None: all; no others are calibrated afterwards.

    Returns:
        on how many images the statistics were estimated, and on how many it was decided which to keep.

    Raises:
        InputError: too few images.
    """
    statistics = net.route_statistics
    statistics.clear()
    stitches = list(net.space if stitches is None else stitches)
    estimated = round((1 - HELD_BACK) * images)
    estimates = Estimates(statistics, stitches)
    advantage = {stitch: _Mean() for stitch in stitches}
    counts = [0, 0]
    with evaluating(net):
        for part, (x, classes) in _split(batches, estimated, images):
            counts[part] += len(x)
            if part == 0:
                with uncompiled(net):  # what is compiled would not tell what its layers see
                    for _ in forward_all(net, x, stitches, estimates.of):
                        pass
                continue
            if not statistics.routes:
                statistics.set(estimates.values(), [stitch.id for stitch in stitches])
            losses = {
                stitch: F.cross_entropy(logits.float(), classes, reduction="none")
                for stitch, logits in forward_all(net, x, stitches, lambda _: repeat(None))
            }
            for stitch, logits in forward_all(net, x, stitches):
                own = F.cross_entropy(logits.float(), classes, reduction="none")
                advantage[stitch].update(losses[stitch] - own)
    if not all(counts):
        statistics.clear()
        raise InputError(f"calibration needs more than the {sum(counts)} images that it got")
    better = [stitch.id for stitch, mean in advantage.items() if mean.value > 0]
    statistics.set({name: node.values for name, node in statistics.nodes.items()}, better)
    statistics.decided = len(stitches) == len(net.space)
    return counts[0], counts[1]


def _split(batches: Iterable[Batch], estimated: int, images: int) -> Iterator[tuple[int, Batch]]:
    """Batches to estimate on (0), then batches that are held back (1); a single image has no variance."""
    seen = 0
    for x, classes in batches:
        for part, (start, stop) in enumerate(((0, estimated), (estimated, images))):
            cut = slice(max(0, start - seen), max(0, stop - seen))
            if len(x[cut]) > 1:
                yield part, (x[cut], classes[cut])
        seen += len(x)
        if seen >= images:
            return


class Estimates:
    """What the BatchNorm layers of every node see, while all others normalise by their batch too."""

    def __init__(self, statistics: RouteStatistics, stitches: Iterable[Stitch]):
        self.places = {stitch: statistics.places[stitch.id] for stitch in stitches}
        names = dict.fromkeys(name for places in self.places.values() for name in places if name)
        self.nodes = {name: _Estimate(statistics.layers[name]) for name in names}

    def of(self, stitch: Stitch) -> Iterator["_Estimate | None"]:
        return map(self.nodes.get, self.places[stitch])

    def values(self) -> dict[str, Tensor]:
        """(2, channels) by the node's name, as ``RouteStatistics.set`` takes them."""
        return {name: node.values() for name, node in self.nodes.items()}


class _Estimate:
    """Running statistics of one node; inside of ``with`` its layers normalise by the batch, and are watched."""

    def __init__(self, layers: Sequence[_BatchNorm]):
        self.layers = layers
        self.moments = {layer: _Moments() for layer in layers}

    def __enter__(self) -> None:
        self.before = [(layer, layer.momentum, {**layer._buffers}) for layer in self.layers]
        self.hooks = [layer.register_forward_hook(self._watch) for layer in self.layers]
        for layer in self.layers:
            # A momentum of 1 leaves what PyTorch found in this batch; nothing of it stays in the layer.
            layer.training, layer.momentum = True, 1.0
            scratch = {name: torch.zeros_like(layer._buffers[name]) for name in ("running_mean", "running_var")}
            layer._buffers.update(scratch, num_batches_tracked=None)

    def __exit__(self, *exception: object) -> None:
        for layer, momentum, buffers in self.before:
            layer.training, layer.momentum = False, momentum
            layer._buffers.update(buffers)
        for hook in self.hooks:
            hook.remove()

    def _watch(self, layer: _BatchNorm, inputs: tuple[Tensor], output: Tensor) -> None:
        rows = inputs[0].numel() // layer.num_features
        self.moments[layer].update(rows, layer.running_mean, layer.running_var)

    def values(self) -> Tensor:
        values = own_statistics(self.layers)
        parts = values.split([layer.num_features for layer in self.layers], dim=1)
        for moments, part in zip(self.moments.values(), parts, strict=True):
            if moments.rows:  # else the layer never ran
                part[0], part[1] = moments.mean, moments.squares / (moments.rows - 1)
        return values


class _Moments:
    """Mean and centred sum of squares by channel, pooled batch by batch in float64 (Chan, Golub and LeVeque, 1983)."""

    rows = 0

    def update(self, rows: int, mean: Tensor, variance: Tensor) -> None:
        """Take in a batch of so many values a channel, its mean and its unbiased variance."""
        mean, squares = in_float64(mean), in_float64(variance) * (rows - 1)
        if self.rows == 0:
            self.rows, self.mean, self.squares = rows, mean, squares
            return
        total, shift = self.rows + rows, mean - self.mean
        self.squares += squares + shift.square() * (self.rows * rows / total)
        self.mean += shift * (rows / total)
        self.rows = total


@dataclass
class _Mean:
    """Mean of numbers that come in batches, and its standard error."""

    count: int = 0
    total: float | Tensor = 0.0
    squares: float | Tensor = 0.0

    def update(self, numbers: Tensor) -> None:
        numbers = in_float64(numbers)
        self.count += len(numbers)
        self.total += numbers.sum()  # stays on the device, which need not wait
        self.squares += numbers.square().sum()

    @property
    def value(self) -> float:
        return float(self.total / self.count)

    @property
    def error(self) -> float:
        return sqrt(max(0.0, float(self.squares / self.count) - self.value**2) / self.count)
