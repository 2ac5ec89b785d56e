"""Initialise all stitching layers by least squares between the anchors' activations (SN-Net, section 3.3)."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from snnet_lightning.errors import InputError
from snnet_lightning.evaluating import evaluating
from snnet_lightning.float64 import in_float64
from snnet_lightning.network.least_squares import CoMoments, pseudo_inverse, solve
from snnet_lightning.network.residuals import LayerResidual, Place, linear_cka, relative, squared_error
from snnet_lightning.network.snnet import SNNet, module_key
from snnet_lightning.network.stitching_layer import tokens_of
from snnet_lightning.stitch.route import AnchorPart, anchor_route, stitch_name


@torch.no_grad()
def initialise_by_least_squares(net: SNNet, batches: Iterable[Tensor], samples: int) -> tuple[int, list[LayerResidual]]:
    """Fit every stitching layer to ``samples`` images; returns how many there were, and how well each layer fits.

    Every anchor runs once a batch, in eval mode; memory does not grow with the number of batches. A layer that several
    positions share gets the mean of their solutions.

    Args:
        batches: images (N, C, H, W).
        samples: how many images to use, at least 1; 100 in the paper.

    Raises:
        InputError: there are no samples.
    """
    moments = _Moments(net)
    seen = 0
    with evaluating(net):
        for images in batches:
            images = images[: samples - seen]
            moments.update(images)
            seen += len(images)
            if seen >= samples:
                break
    if seen == 0:
        raise InputError("initialising the stitching layers needs at least 1 sample, but the data gave none")
    inverses = {inputs: pseudo_inverse(inputs) for inputs in moments.inputs.values()}
    for layer, pairs in net.space.crossings.items():
        known = [moments.of(*pair) for pair in pairs]
        solutions = [solve(inverses[inputs], crossed) for inputs, crossed, _ in known]
        weight, bias = (torch.stack(parts).mean(0) for parts in zip(*solutions, strict=True))
        transform = net.stitching_layers[module_key(layer)].transform
        transform.weight.copy_(weight.T)
        transform.bias.copy_(bias)
    net.initialised = True
    return seen, moments.residuals()


class _Moments:
    """What least squares needs to know of the activations at every place where a stitching layer joins two anchors."""

    def __init__(self, net: SNNet):
        self.net = net
        self.inputs: dict[tuple[AnchorPart, int], CoMoments] = defaultdict(CoMoments)
        self.crossed: dict[tuple[AnchorPart, AnchorPart], CoMoments] = defaultdict(CoMoments)
        self.targets: dict[AnchorPart, CoMoments] = defaultdict(CoMoments)
        # Those that join the same places align alike.
        self.joins = {
            (before, net.part_before(after)): net.stitching_layers[module_key(layer)]
            for layer, pairs in net.space.crossings.items()
            for before, after in pairs
        }

    def update(self, images: Tensor) -> None:
        activations = self._activations(images)
        rows: dict[tuple[AnchorPart, int], Tensor] = {}  # aligned inputs, which several targets of one anchor share
        targets = set()
        for (before, target), layer in self.joins.items():
            key = (before, layer.target.prefix)
            if key not in rows:
                rows[key] = layer.align(activations[before]).flatten(0, 1)
                self.inputs[key].update(rows[key], rows[key])
            wanted = tokens_of(activations[target], layer.target).flatten(0, 1)
            self.crossed[before, target].update(rows[key], wanted)
            if target not in targets:
                targets.add(target)
                self.targets[target].update(wanted, wanted)

    def of(self, before: AnchorPart, after: AnchorPart) -> tuple[CoMoments, CoMoments, CoMoments]:
        """Those of X with X, X with Y, and Y with Y, where a layer gets X from ``before`` and gives Y to ``after``."""
        target = self.net.part_before(after)
        inputs = self.inputs[before, self.joins[before, target].target.prefix]
        return inputs, self.crossed[before, target], self.targets[target]

    def residuals(self) -> list[LayerResidual]:
        """How well the layers fit as they are now."""
        names, depths = zip(*((anchor.name, anchor.depths) for anchor in self.net.anchors), strict=True)
        found = []
        for layer, pairs in self.net.space.crossings.items():
            transform = self.net.stitching_layers[module_key(layer)].transform
            weight, bias = in_float64(transform.weight.T), in_float64(transform.bias)
            places, errors, totals = [], [], []
            for before, after in pairs:
                moments = self.of(before, after)
                errors.append(squared_error(*moments, weight, bias))
                totals.append(moments[2].products.trace().item())
                name = stitch_name((before, layer, after), names, depths)
                places.append(Place(name, relative(errors[-1], totals[-1]), linear_cka(*moments)))
            cka = sum(place.cka for place in places) / len(places)
            found.append(LayerResidual(module_key(layer), relative(sum(errors), sum(totals)), cka, places))
        return found

    def _activations(self, images: Tensor) -> dict[AnchorPart, Tensor]:
        """What follows every part that some join needs; every anchor runs once."""
        needed = {part for join in self.joins for part in join}
        kept = {}
        for index, anchor in enumerate(self.net.anchors):
            x = images
            for part in anchor_route(index, anchor.depths)[:-1]:
                x = self.net.run(part, x)
                if part in needed:
                    kept[part] = x
        return kept
