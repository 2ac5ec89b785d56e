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
    """Yield (stitch, logits (N, classes)) for all ``stitches`` on images (N, C, H, W), in no fixed order.

    The routes are walked as a tree, depth first, so that no more activations live than the longest route has
    branching points.
    """
    root = _Node()
    for stitch in stitches:
        node = root
        for part in stitch.route:
            node = node.children.setdefault(part, _Node())
        node.stitches.append(stitch)
    yield from _walk(net, x, root)


def _walk(net: SNNet, x: Tensor, node: _Node) -> Iterator[tuple[Stitch, Tensor]]:
    for stitch in node.stitches:
        yield stitch, x
    for part, child in node.children.items():
        yield from _walk(net, net.run(part, x), child)
