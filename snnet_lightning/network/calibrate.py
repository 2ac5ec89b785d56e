"""Estimate BatchNorm statistics anew for every stitch, and keep them where they help."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat

import torch
import torch.nn.functional as F
from timm.layers.split_batchnorm import SplitBatchNorm2d
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from snnet_lightning.errors import InputError
from snnet_lightning.evaluating import evaluating
from snnet_lightning.float64 import in_float64
from snnet_lightning.network.compile_parts import uncompiled
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.network.route_statistics import RouteStatistics, Statistics, own_statistics
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.network.split_batchnorm import unsplit
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
    advantage: dict[Stitch, float | Tensor] = dict.fromkeys(stitches, 0.0)
    counts = [0, 0]
    with evaluating(net):
        for part, (x, classes) in _split(batches, estimated, images):
            counts[part] += len(x)
            if part == 0:
                with uncompiled(net), estimates:  # what is compiled would not tell what its layers see
                    for _ in forward_all(net, x, stitches, estimates.of):
                        pass
                estimates.pool()
            elif counts[0]:
                if not statistics.routes:
                    statistics.set(estimates.values(), [stitch.id for stitch in stitches])
                losses = {
                    stitch: F.cross_entropy(logits.float(), classes, reduction="none")
                    for stitch, logits in forward_all(net, x, stitches, lambda _: repeat(None))
                }
                for stitch, logits in forward_all(net, x, stitches):
                    own = F.cross_entropy(logits.float(), classes, reduction="none")
                    advantage[stitch] += in_float64(losses[stitch] - own).sum()
    if not all(counts):
        statistics.clear()
        raise InputError(
            f"calibration.images: {images} images are too few, or come one by one; some are needed to estimate on, "
            "others to decide by"
        )
    better = [stitch.id for stitch, gain in advantage.items() if gain > 0]
    statistics.set({name: node.values for name, node in statistics.nodes.items()}, better)
    statistics.decided = len(stitches) == len(net.space)
    return counts[0], counts[1]


def _split(batches: Iterable[Batch], estimated: int, images: int) -> Iterator[tuple[int, Batch]]:
    """Batches to estimate on (0), none of a single image, which has no variance; then those that are held back (1)."""
    seen = 0
    for x, classes in batches:
        for part, (start, stop) in enumerate(((0, estimated), (estimated, images))):
            cut = slice(max(0, start - seen), max(0, stop - seen))
            if len(x[cut]) > 1 - part:
                yield part, (x[cut], classes[cut])
        seen += len(x)
        if seen >= images:
            return


class Estimates:
    """Means and variances of what the BatchNorm layers of every node see, pooled over batches exactly.

    Inside of ``with`` the layers normalise by the batch, and a walk with ``of`` keeps its statistics apart by node;
    ``pool`` takes them in. Batches are merged in float64, as Chan, Golub and LeVeque (1983) do.
    """

    def __init__(self, statistics: RouteStatistics, stitches: Iterable[Stitch]):
        self.places = {stitch: statistics.places[stitch.id] for stitch in stitches}
        names = dict.fromkeys(name for places in self.places.values() for name in places if name)
        self.layers = [layer for name in names for layer in statistics.layers[name]]
        own = [own_statistics(statistics.layers[name]) for name in names]
        self.sizes = [values.shape[1] for values in own]
        self.batch = torch.cat(own, 1)  # of all nodes, so that they are taken in at once
        parts = zip(names, self.batch.split(self.sizes, 1), strict=True)
        self.nodes = {name: Statistics(statistics.layers[name], part) for name, part in parts}
        self.rows: dict[_BatchNorm, int] = {}  # how many values a channel has in the batch
        self.pooled: tuple[Tensor, Tensor, Tensor] | None = None  # rows, means and centred squares of the channels

    def of(self, stitch: Stitch) -> Iterator[Statistics | None]:
        return (self.nodes.get(name) if name else None for name in self.places[stitch])

    def pool(self) -> None:
        """Take in a batch, after all nodes have seen it."""
        mean, variance = in_float64(self.batch)
        counts = torch.tensor([self.rows[layer] for layer in self.layers], dtype=torch.double)
        channels = torch.tensor([layer.num_features for layer in self.layers])
        rows = counts.repeat_interleave(channels).to(mean.device)
        squares = variance * (rows - 1)
        if self.pooled:
            before, mean_before, squares_before = self.pooled
            total, shift = before + rows, mean - mean_before
            squares = squares_before + squares + shift.square() * (before * rows / total)
            rows, mean = total, mean_before + shift * (rows / total)
        self.pooled = rows, mean, squares

    def values(self) -> dict[str, Tensor]:
        """Means and unbiased variances (2, channels) by the node's name, as ``RouteStatistics.set`` takes them."""
        assert self.pooled is not None  # at least one batch was taken in
        rows, mean, squares = self.pooled
        values = torch.stack([mean, squares / (rows - 1)]).to(self.batch)
        return {name: part.clone() for name, part in zip(self.nodes, values.split(self.sizes, 1), strict=True)}

    def __enter__(self) -> "Estimates":
        layers = dict.fromkeys(self.layers)
        self.before = [(x, x.training, x.momentum, x.num_batches_tracked) for x in layers]
        self.hooks = [layer.register_forward_pre_hook(self._count) for layer in layers]
        for layer in layers:  # with a momentum of 1, running statistics are what PyTorch finds in a batch
            layer.training, layer.momentum, layer.num_batches_tracked = True, 1.0, None
            if isinstance(layer, SplitBatchNorm2d):  # which would give it half of the batch
                vars(layer)["forward"] = partial(unsplit(layer).forward, layer)
        return self

    def __exit__(self, *exception: object) -> None:
        for layer, training, momentum, tracked in self.before:
            layer.training, layer.momentum, layer.num_batches_tracked = training, momentum, tracked
            vars(layer).pop("forward", None)
        for hook in self.hooks:
            hook.remove()

    def _count(self, layer: _BatchNorm, inputs: tuple[Tensor]) -> None:
        self.rows[layer] = inputs[0].numel() // layer.num_features
