"""Run many stitches on one batch, computing every shared prefix of their routes once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Part, Stitch


@dataclass
class _Node:
    stitches: list[Stitch] = field(default_factory=list)  # whose route ends here
    children: "dict[Part, _Node]" = field(default_factory=dict)


def forward_all(net: SNNet, x: Tensor, stitches: Iterable[Stitch]) -> Iterator[tuple[Stitch, Tensor]]:
    """(stitch, logits (N, classes)) for all ``stitches`` on images (N, C, H, W), in no fixed order.

    The routes are walked as a tree, depth first. Beside the logits, only those activations live that another stitch
    goes on from, so no more than the route has branching points; the images live until the last stem has run.
    """
    root = _Node()
    for stitch in stitches:
        node = root
        for part in stitch.route:
            node = node.children.setdefault(part, _Node())
        node.stitches.append(stitch)
    return _walk(net, x, root)  # no generator itself, which would hold the images to the end


def _walk(net: SNNet, x: Tensor, node: _Node) -> Iterator[tuple[Stitch, Tensor]]:
    while node.children:
        *others, (part, last) = node.children.items()
        for other, child in others:
            yield from _walk(net, net.run(other, x), child)
        x, node = net.run(part, x), last  # nothing else needs what was here
    for stitch in node.stitches:
        yield stitch, x
