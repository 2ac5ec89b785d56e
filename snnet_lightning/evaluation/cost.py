"""FLOPs, parameters and memory of every stitch: count parts that are alike once, add up along the routes."""

import logging
import warnings
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.evaluating import evaluating
from snnet_lightning.evaluation.memory import peak_activations
from snnet_lightning.evaluation.structure import structure
from snnet_lightning.network.compile_parts import uncompiled
from snnet_lightning.network.snnet import SNNet, module_key
from snnet_lightning.network.split_batchnorm import auxiliary_parameters
from snnet_lightning.stitch.route import AnchorPart, Block, Layer, Part, Stem, Stitch

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # on import fvcore scripts a loss, which torch warns of
    from fvcore.nn import FlopCountAnalysis
    from fvcore.nn.jit_handles import get_shape

log = logging.getLogger(__name__)

ATTENTION = "aten::scaled_dot_product_attention"


@dataclass(frozen=True)
class Cost:
    """What one image takes.

    ``flops``: multiply-accumulates, as fvcore counts them. ``params``: parameters that run. ``memory``: bytes of these
    and of the activations that live at once, at the moment when most do.
    """

    flops: int
    params: int
    memory: int


def attention_flops(inputs: list[Any], outputs: list[Any]) -> Counter[str]:
    """Both matrix products of fused attention, which fvcore does not count by itself."""
    query, key, value = (get_shape(i) for i in inputs[:3])
    return Counter({"matmul": prod(query[:-2]) * query[-2] * key[-2] * (query[-1] + value[-1])})


def count_flops(module: nn.Module, x: Tensor) -> int:
    """Multiply-accumulates of ``module`` on ``x`` in eval mode, counted by fvcore."""
    with torch.no_grad(), evaluating(module), uncompiled(module):
        analysis = FlopCountAnalysis(module, x).set_op_handle(ATTENTION, attention_flops)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        return int(analysis.total())


class PartOfAnchor(nn.Module):
    """One part of an anchor in eval mode as a module, since fvcore counts modules.

    It holds the anchor's tensors and none of its modules, which would all be gone through for every part.
    """

    def __init__(self, anchor: Anchor, part: AnchorPart):
        super().__init__()
        self.run = partial(anchor.run, part)
        self.tensors = nn.ParameterList(anchor.parameters())
        for place, buffer in enumerate(anchor.buffers()):
            self.register_buffer(str(place), buffer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


def stitch_costs(net: SNNet) -> dict[Stitch, Cost]:
    """The cost of every stitch at the anchors' input size; low-rank terms count as folded into their layers."""
    parameter = next(net.parameters())
    routes = [stitch.route for stitch in net.space]
    parts = {part: before for route in routes for before, part in zip((None, *route), route, strict=False)}
    flops: dict[Part, int] = {}
    activations: dict[Part, int] = {}
    run: dict[Part, list[nn.Parameter]] = {}
    counted: dict[Hashable, tuple[int, int]] = {}
    idle = set(map(id, auxiliary_parameters(net)))
    with evaluating(net), uncompiled(net):
        for part, before in parts.items():
            x = torch.zeros(1, *_input_shape(net, before, part), device=parameter.device, dtype=parameter.dtype)
            alike: Hashable = part
            if isinstance(part, Layer):
                layer = net.stitching_layers[module_key(part)].folded()
                run[part], alike = list(layer.parameters()), structure([layer])
            else:
                anchor = net.anchors[part.anchor]
                run[part] = list(anchor.parameters_of(part))
                if isinstance(part, Block):
                    alike = part.anchor, part.stage, structure(anchor.owners_of(part))
            if (alike, x.shape) not in counted:
                module = layer if isinstance(part, Layer) else PartOfAnchor(anchor, part)
                counted[alike, x.shape] = count_flops(module, x), peak_activations(module, x)
            flops[part], activations[part] = counted[alike, x.shape]
            if not isinstance(part, Stem):  # while it runs, the images are still there
                activations[part] += prod(net.description.input_size) * x.element_size()
    costs = {}
    for stitch in net.space:
        sizes = {id(p): p.numel() for part in stitch.route for p in run[part]}  # what blocks share counts once
        params = sum(size for key, size in sizes.items() if key not in idle)
        memory = params * parameter.element_size() + max(activations[part] for part in stitch.route)
        costs[stitch] = Cost(sum(flops[part] for part in stitch.route), params, memory)
    for smaller, larger in pairwise(net.space.anchors):
        if costs[smaller].flops > costs[larger].flops:
            log.warning(
                "anchors are not in order of complexity: %s (%.2f GFLOPs) comes before %s (%.2f GFLOPs)",
                *(smaller.name, costs[smaller].flops / 1e9, larger.name, costs[larger].flops / 1e9),
            )
    return costs


def _input_shape(net: SNNet, before: Part | None, part: Part) -> tuple[int, ...]:
    if isinstance(part, Stem):
        return net.anchors[part.anchor].input_size
    if isinstance(before, Layer) and not isinstance(part, Layer):
        before = net.part_before(part)
    return net.activation_after(cast("AnchorPart", before)).shape
