"""Refine the stitching layers without labels, so that every stitch predicts what its last anchor does.

Our own implementation of an idea of the VFM stitch tree (CVPR 2026, arXiv 2603.12433; no code was published): a layer
is trained for what comes out at the end, not for the activation where it joins two anchors. There that is the
penultimate features; here it is the logits, which every anchor has alike.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from timm.optim import create_optimizer_v2
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from snnet_lightning.evaluating import evaluating
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.network.snnet import SNNet, module_key
from snnet_lightning.stitch.route import Layer, Stitch

log = logging.getLogger(__name__)

WARMUP = 0.1  # share of the steps
SILENCE = 30  # seconds


@torch.enable_grad()
def refine(net: SNNet, batches: Iterator[Tensor], steps: int, lr: float) -> tuple[float, float]:
    """Train the stitching layers alone; returns the mean loss of all stitches on the first batch, before and after.

    The loss of a stitch is the Kullback-Leibler divergence of its predictions from those of its last anchor, in nats. A
    step runs one stitch of every stitching layer, a layer's stitches in turn, so that its cost grows with the layers,
    not with the stitches; it needs the memory of one. Anchors are in eval mode and get no gradient. Of a layer with a
    low-rank term the matrix and the bias are trained, as least squares fits them, for the term starts at zero. No
    random number is drawn. Layers whose loss did not fall stay as they were, all together.

    Args:
        batches: images (N, C, H, W), at least one more than ``steps``.
        steps: of the optimiser, LAMB (You et al., ICLR 2020).
        lr: the change of a layer in a step, relative to its norm, at its peak; warmed up, then a cosine down to zero.
    """
    transforms = [net.stitching_layers[module_key(layer)].transform for layer in net.space.crossings]
    trained = [parameter for transform in transforms for parameter in (transform.weight, transform.bias)]
    with evaluating(net), _trained_alone(net, trained):
        optimizer = create_optimizer_v2([{"params": trained}], "lamb", lr, weight_decay=0, always_adapt=True)
        schedule = LambdaLR(optimizer, lambda step: _share_of_lr(step / steps, (step + 1) / steps))
        start = [parameter.detach().clone() for parameter in trained]
        first = next(batches)
        stitches_of_layers = _stitches_of_layers(net)
        before, told = _mean_loss(net, first), time.monotonic()
        for step in range(steps):
            # One that two layers have come to runs once.
            drawn = list(dict.fromkeys(stitches[step % len(stitches)] for stitches in stitches_of_layers))
            loss, gradients = _gradients(net, next(batches), drawn, trained)
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
            schedule.step()
            if time.monotonic() - told > SILENCE:
                log.info("refining the stitching layers: step %d of %d, loss %.3f", step + 1, steps, loss)
                told = time.monotonic()
        after = _mean_loss(net, first)
        if not after < before:
            with torch.no_grad():
                for parameter, value in zip(trained, start, strict=True):
                    parameter.copy_(value)
    return before, after


def _share_of_lr(start: float, end: float) -> float:
    """Of a step from ``start`` to ``end``, both of 1: linear up, times a cosine down."""
    return min(1.0, end / WARMUP) * (1 + math.cos(math.pi * start)) / 2


def _stitches_of_layers(net: SNNet) -> list[list[Stitch]]:
    """The stitches of every stitching layer."""
    of_layer: dict[Layer, list[Stitch]] = {}
    for stitch in net.space:
        for part in stitch.route:
            if isinstance(part, Layer):
                of_layer.setdefault(part, []).append(stitch)
    return [*of_layer.values()]


def _gradients(
    net: SNNet, images: Tensor, stitches: Sequence[Stitch], trained: Sequence[Tensor]
) -> tuple[float, list[Tensor]]:
    """Mean loss of the stitches, and the sum of their gradients.

    Not by ``backward``, at which DistributedDataParallel would begin to average what it finds.
    """
    targets = _targets(net, images)
    shared = Counter(_trained_prefix(stitch) for stitch in stitches)
    losses, total = [], [torch.zeros_like(parameter) for parameter in trained]
    for stitch, logits in forward_all(net, images, stitches):
        loss = _divergence(logits, targets[stitch.anchors[-1]])
        retain = shared[_trained_prefix(stitch)] > 1
        for place, gradient in enumerate(torch.autograd.grad(loss, trained, retain_graph=retain, allow_unused=True)):
            if gradient is not None:
                total[place] += gradient
        losses.append(loss.detach())
        del logits, loss  # what was retained goes before the next stitch runs
    return torch.stack(losses).mean().item(), total


def _trained_prefix(stitch: Stitch) -> tuple[object, ...]:
    """The route up to its first stitching layer: stitches that agree on it share a part of their graphs."""
    first = next(i for i, part in enumerate(stitch.route) if isinstance(part, Layer))
    return stitch.route[: first + 1]


@torch.no_grad()
def _mean_loss(net: SNNet, images: Tensor) -> float:
    targets = _targets(net, images)
    stitches = [stitch for stitch in net.space if not stitch.is_anchor]
    outputs = forward_all(net, images, stitches)
    losses = [_divergence(logits, targets[stitch.anchors[-1]]) for stitch, logits in outputs]
    return torch.stack(losses).mean().item()


@torch.no_grad()
def _targets(net: SNNet, images: Tensor) -> dict[int, Tensor]:
    """Log-probabilities (N, classes) of every anchor, by its number."""
    return {stitch.anchors[0]: logits.log_softmax(1) for stitch, logits in forward_all(net, images, net.space.anchors)}


def _divergence(logits: Tensor, target: Tensor) -> Tensor:
    return F.kl_div(logits.log_softmax(1), target, reduction="batchmean", log_target=True)


@contextmanager
def _trained_alone(net: nn.Module, trained: Sequence[Tensor]) -> Iterator[None]:
    """Give gradients to ``trained`` and to nothing else; afterwards all is as it was, without gradients."""
    flags = [(parameter, parameter.requires_grad) for parameter in net.parameters()]
    net.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        for parameter in trained:
            parameter.grad = None
