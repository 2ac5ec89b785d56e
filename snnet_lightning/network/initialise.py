"""Initialise all stitching layers by least squares between the anchors' activations (SN-Net, section 3.3)."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor

from snnet_lightning.errors import InputError
from snnet_lightning.network.least_squares import CoMoments, pseudo_inverse, solve
from snnet_lightning.network.snnet import SNNet, module_key
from snnet_lightning.network.stitching_layer import channels_last
from snnet_lightning.stitch.route import Part, anchor_route


@torch.no_grad()
def initialise_by_least_squares(net: SNNet, batches: Iterable[Tensor], samples: int) -> int:
    """Fit every stitching layer to ``samples`` images; returns how many there were.

    Every anchor runs once a batch, in eval mode; memory does not grow with the number of batches. A layer that several
    positions share gets the mean of their solutions.

    Args:
        batches: images (N, C, H, W).
        samples: how many images to use, 100 in the paper.

    Raises:
        InputError: there are no samples.
    """
    if samples < 1:
        raise InputError(f"initialising the stitching layers needs at least 1 sample, not {samples}")
    needed = {(before, net.part_before(after)) for pairs in net.space.crossings.values() for before, after in pairs}
    moments: dict[tuple[Part, Part], CoMoments] = defaultdict(CoMoments)
    training = net.training
    net.eval()
    seen = 0
    for images in batches:
        images = images[: samples - seen]
        _accumulate(net, images, needed, moments)
        seen += len(images)
        if seen >= samples:
            break
    net.train(training)
    if seen == 0:
        raise InputError("initialising the stitching layers needs at least 1 sample, but the data gave none")
    inverses = {before: pseudo_inverse(moments[before, before]) for before in {before for before, _ in needed}}
    for layer, pairs in net.space.crossings.items():
        solutions = [solve(inverses[before], moments[before, net.part_before(after)]) for before, after in pairs]
        weight, bias = (torch.stack(parts).mean(0) for parts in zip(*solutions, strict=True))
        transform = net.stitching_layers[module_key(layer)].transform
        transform.weight.copy_(weight.T)
        transform.bias.copy_(bias)
    return seen


def _accumulate(
    net: SNNet, images: Tensor, needed: set[tuple[Part, Part]], moments: dict[tuple[Part, Part], CoMoments]
) -> None:
    kept = {part for pair in needed for part in pair}
    rows: dict[Part, Tensor] = {}
    for index, anchor in enumerate(net.anchors):
        x = images
        for part in islice(anchor_route(index, anchor.depths), sum(anchor.depths) + len(anchor.depths)):
            x = net.run(part, x)
            if part in kept:
                activation = net.activation_after(part)
                rows[part] = channels_last(x, activation).reshape(-1, activation.channels)
    for before, target in needed:
        moments[before, target].update(rows[before], rows[target])
    for before in {before for before, _ in needed}:
        moments[before, before].update(rows[before], rows[before])
