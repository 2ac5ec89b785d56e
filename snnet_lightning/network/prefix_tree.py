"""Run many stitches on one batch, computing every shared prefix of their routes once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from snnet_lightning.network.route_statistics import Statistics
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Part, Stitch

StatisticsOf = Callable[[Stitch], Iterable[Statistics | None]]


@dataclass
class _Node:
    stitches: list[Stitch] = field(default_factory=list)  # whose route ends here
    children: "dict[tuple[Part, Statistics | None], _Node]" = field(default_factory=dict)


def forward_all(
    net: SNNet, x: Tensor, stitches: Iterable[Stitch], statistics_of: StatisticsOf | None = None
) -> Iterator[tuple[Stitch, Tensor]]:
    """(stitch, logits (N, classes)) for all ``stitches`` on images (N, C, H, W), in no fixed order.

    The routes are walked as a tree, depth first. Beside the logits, only those activations live that another stitch
    goes on from, so no more than the route has branching points; the images live until the last stem has run.

    Args:
        statistics_of: which BatchNorm statistics the parts of a stitch run with; None: those of the network. Stitches
            share what runs with the same.
    """
    statistics_of = statistics_of or net.route_statistics.of
    root = _Node()
    for stitch in stitches:
        node = root
        for step in zip(stitch.route, statistics_of(stitch), strict=False):
            node = node.children.setdefault(step, _Node())
        node.stitches.append(stitch)
    return _walk(net, x, root)  # no generator itself, which would hold the images to the end


def _walk(net: SNNet, x: Tensor, node: _Node) -> Iterator[tuple[Stitch, Tensor]]:
    while node.children:
        *others, (step, last) = node.children.items()
        for (part, statistics), child in others:
            yield from _walk(net, net.run(part, x, statistics), child)
        x, node = net.run(step[0], x, step[1]), last  # nothing else needs what was here
    for stitch in node.stitches:
        yield stitch, x
