"""Running statistics of BatchNorm layers that depend on the route before them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.weights import state_differences
from snnet_lightning.network.compile_parts import uncompiled
from snnet_lightning.stitch.route import Layer, Part, Stitch, StitchSpace

CALIBRATED = "calibrated"  # the entry of a state dict that lists the ids


class Statistics:
    """Means and variances of the BatchNorm layers of one part, for one route before it; in force inside of ``with``.

    The layers are pointed at these tensors and back again, so that nothing is copied. One thread at a time: the layers
    are those of the network.

    Args:
        layers: BatchNorm layers.
        values: (2, channels), means and variances of all layers, one after the other.
    """

    def __init__(self, layers: Sequence[_BatchNorm], values: Tensor):
        self.values = values
        sizes = [layer.num_features for layer in layers]
        # Not by their attributes, which a module looks up in several places: a forward pass does this for every layer.
        buffers = [layer._buffers for layer in layers]
        self.own = list(zip(buffers, values[0].split(sizes), values[1].split(sizes), strict=True))
        self.others: list[tuple[dict[str, Tensor | None], Tensor | None, Tensor | None]] = []

    def __enter__(self) -> None:
        self.others = [(buffers, buffers["running_mean"], buffers["running_var"]) for buffers, *_ in self.own]
        _point(self.own)

    def __exit__(self, *exception: object) -> None:
        _point(self.others)


def _point(statistics: Iterable[tuple[dict[str, Tensor | None], Tensor | None, Tensor | None]]) -> None:
    for buffers, mean, variance in statistics:
        buffers["running_mean"] = mean
        buffers["running_var"] = variance


class RouteStatistics(nn.Module):
    """The statistics of calibrated stitches, one set for every node of the tree of their routes' shared prefixes.

    A stitch that is not calibrated, and every one in training mode, runs with the layers' own statistics. What is here
    is in the state dict as long as any stitch is calibrated; loading one makes it as the file has it. It is neither
    among ``parameters()`` nor ``buffers()``, for those are what training changes, and nothing here is.

    Attributes:
        decided: whether it was decided for all stitches, on the weights as they are, which are calibrated.
    """

    def __init__(self, anchors: Iterable[Anchor], space: StitchSpace):
        super().__init__()
        self.anchors, self.space = tuple(anchors), space  # a tuple, so that they are not modules of this one too
        self.nodes: dict[str, Statistics] = {}
        self.routes: dict[int, tuple[Statistics | None, ...]] = {}
        self.decided = False

    @property
    def calibrated(self) -> list[int]:
        """Ids of the calibrated stitches."""
        return [*self.routes]

    def of(self, stitch: Stitch) -> Iterable[Statistics | None]:
        """What every part of a stitch runs with; None: with the layers' own statistics."""
        route = None if self.training else self.routes.get(stitch.id)
        return repeat(None) if route is None else route

    def own_of(self, stitch: Stitch) -> Iterator[tuple[_BatchNorm, Tensor, Tensor]]:
        """The BatchNorm layers for which a stitch has statistics of its own, with means and variances."""
        if stitch.id in self.routes:
            for name in filter(None, self.places[stitch.id]):
                for layer, (_, mean, variance) in zip(self.layers[name], self.nodes[name].own, strict=True):
                    yield layer, mean, variance

    def clear(self) -> None:
        """No stitch is calibrated any more, as has to be when weights change."""
        self.nodes, self.routes, self.decided = {}, {}, False

    def set(self, values: Mapping[str, Tensor], stitches: Iterable[int]) -> None:
        """Make these the calibrated stitches.

        Args:
            values: (2, channels) by the node's name, at least for all nodes of the routes.
            stitches: ids.
        """
        names = {stitch: self.places[stitch] for stitch in stitches}
        used = dict.fromkeys(name for places in names.values() for name in places if name)
        self.nodes = {name: Statistics(self.layers[name], values[name]) for name in used}
        self.routes = {
            stitch: tuple(self.nodes.get(name) if name else None for name in places) for stitch, places in names.items()
        }

    @cached_property
    def places(self) -> dict[int, tuple[str | None, ...]]:
        """The name of the node of every part of every stitch by id; None where a part has no BatchNorm layers.

        A node is named by the first stitch of the space that comes there, and the place in its route.
        """
        return self._tree[0]

    @cached_property
    def layers(self) -> dict[str, tuple[_BatchNorm, ...]]:
        """The BatchNorm layers of every node by its name."""
        return self._tree[1]

    @cached_property
    def _tree(self) -> tuple[dict[int, tuple[str | None, ...]], dict[str, tuple[_BatchNorm, ...]]]:
        names: dict[tuple[str, Part], str] = {}
        places, layers = {}, {}
        with uncompiled(nn.ModuleList(self.anchors)):  # they are run to see their layers
            for stitch in self.space:
                route, name = [], ""
                for place, part in enumerate(stitch.route):
                    name = names.setdefault((name, part), f"{stitch.id}_{place}")
                    owned = () if isinstance(part, Layer) else self.anchors[part.anchor].batch_norms_of(part)
                    if owned:
                        layers[name] = owned
                    route.append(name if owned else None)
                places[stitch.id] = tuple(route)
        return places, layers

    def room_for(self, state: Mapping[str, Any], prefix: str = "") -> dict[str, Tensor]:
        """What of a state dict belongs here when the stitches are calibrated that are in ``state``, with any values.

        Args:
            prefix: of all keys, here and there.
        """
        ids = state.get(prefix + CALIBRATED)
        if not isinstance(ids, Tensor) or ids.ndim != 1 or ids.dtype != torch.int64:
            return {}
        stitches = ids.tolist()
        if not stitches or not set(stitches) <= {stitch.id for stitch in self.space}:
            return {}
        names = dict.fromkeys(name for stitch in stitches for name in self.places[stitch] if name)
        room = {prefix + name: own_statistics(self.layers[name]) for name in names}
        return {prefix + CALIBRATED: ids, **room}

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.routes:
            destination[prefix + CALIBRATED] = torch.tensor(self.calibrated)
            destination.update({prefix + name: node.values for name, node in self.nodes.items()})

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        self.clear()
        room = self.room_for(state_dict, prefix)
        given = {key: value for key, value in state_dict.items() if key.startswith(prefix)}
        differences = state_differences(room, given)
        if differences:
            error_msgs.append(differences)
        elif room:
            stitches = room.pop(prefix + CALIBRATED).tolist()
            self.set({key.removeprefix(prefix): value.copy_(given[key]) for key, value in room.items()}, stitches)

    def _apply(self, fn: Any, recurse: bool = True) -> "RouteStatistics":
        """Moved and converted as buffers are."""
        nn.Module._apply(self, fn, recurse)
        self.set({name: fn(node.values) for name, node in self.nodes.items()}, self.calibrated)
        return self


def own_statistics(layers: Sequence[_BatchNorm]) -> Tensor:
    """The running statistics of the layers themselves, in a new tensor (2, channels)."""
    means, variances = zip(*((layer.running_mean, layer.running_var) for layer in layers), strict=True)
    return torch.stack([torch.cat(means), torch.cat(variances)])
