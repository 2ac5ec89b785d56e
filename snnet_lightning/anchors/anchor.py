"""The one contract between a timm model and everything else: stem -> stages of blocks -> head."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from math import prod
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnet_lightning.description import AnchorDescription
from snnet_lightning.evaluating import evaluating
from snnet_lightning.stitch.route import AnchorPart, Block, Depths, Entry, Head, Stem, anchor_route

Layout = Literal["NLC", "NHWC", "NCHW"]
Owner = nn.Module | nn.Parameter  # has parameters, or is one


@dataclass(frozen=True)
class Activation:
    """What flows between two parts: its layout, and its shape without the batch dimension.

    ``prefix`` tokens (class, register, distillation) come first on NLC activations; ``spatial`` counts them.
    """

    layout: Layout
    shape: tuple[int, ...]
    prefix: int = 0

    @property
    def channels(self) -> int:
        return self.shape[0] if self.layout == "NCHW" else self.shape[-1]

    @property
    def spatial(self) -> tuple[int, ...]:
        """(tokens,) or (height, width)."""
        return self.shape[1:] if self.layout == "NCHW" else self.shape[:-1]


class Anchor(nn.Module):
    """A timm model cut, without copying or changing it, into parts that a route can run one by one.

    A family's adapter is a subclass that says where the model keeps its stages and head; see ``adapters.py``.

    Args:
        described: the timm model's name, a readable alias, which names it in stitches, and its keyword arguments.
        model: the timm model.
        input_size: (channels, height, width) of an image.
    """

    layout: Layout
    model: Any  # a module, but what of timm's is in it, nn.Module cannot say
    # Names of submodules, dotted where they lie deeper; a name that a model lacks is skipped. Bare parameters
    # may be named too where an adapter overrides the method that would run the modules.
    stem_modules: ClassVar[tuple[str, ...]] = ("stem",)
    tail_modules: ClassVar[tuple[str, ...]] = ()  # what always runs between the last block and the final norm
    norm_modules: ClassVar[tuple[str, ...]] = ("norm",)
    head_modules: ClassVar[tuple[str, ...]] = ("head",)  # what ``classify`` runs
    base_model: str | None = None  # the id on the hub of the weights that it began with

    def __init__(self, described: AnchorDescription, model: nn.Module, input_size: tuple[int, int, int]):
        super().__init__()
        self.described = described
        self.name = described.alias
        self.model = model
        self.input_size = cast("tuple[int, int, int]", tuple(input_size))

    # --- what an adapter defines ---------------------------------------------------------------------------

    @classmethod
    def refusal(cls, model: nn.Module) -> str | None:
        """Why this model of a supported class cannot be cut all the same, for people."""
        return None

    @property
    def prefix(self) -> int:
        """Number of class, register and distillation tokens in front of the others."""
        return 0

    def stages(self) -> list[list[nn.Module]]:
        """The blocks of every stage."""
        raise NotImplementedError

    def stem(self, x: Tensor) -> Tensor:
        """Image (N, C, H, W) -> activations that enter the first block."""
        return _run(self._named(self.stem_modules), x)

    def entry(self, stage: int) -> list[Owner]:
        """What runs, one after the other, on entering ``stage`` >= 1."""
        return []

    def enter(self, stage: int, x: Tensor) -> Tensor:
        """Run the modules of ``entry``."""
        return _run(self.entry(stage), x)

    def block(self, stage: int, index: int) -> list[Owner]:
        """The modules of one block: itself, and what timm keeps elsewhere but runs with it."""
        return [self.stages()[stage][index]]

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        return self.stages()[stage][index](x)

    def tail(self, x: Tensor) -> Tensor:
        """What always runs between the last block and the final norm."""
        return _run(self._named(self.tail_modules), x)

    def norm(self, x: Tensor) -> Tensor:
        """The final norm; one that is part of timm's head runs there instead."""
        return _run(self._named(self.norm_modules), x)

    def classify(self, x: Tensor) -> Tensor:
        """Normed features -> logits (N, classes)."""
        return self.model.forward_head(x)

    # --- what everything else uses -------------------------------------------------------------------------

    @cached_property
    def depths(self) -> Depths:
        return tuple(len(blocks) for blocks in self.stages())

    @property
    def num_classes(self) -> int:
        return self.model.num_classes

    @property
    def any_size(self) -> bool:
        """Whether images of another size than ``input_size`` run too, as timm says of the model."""
        fixed = self.model.pretrained_cfg.get("fixed_input_size", False)
        return not fixed or getattr(self.model, "dynamic_img_size", False)

    def run(self, part: AnchorPart, x: Tensor) -> Tensor:
        """Run one part of this anchor."""
        match part:
            case Stem():
                return self.stem(x)
            case Entry(stage=stage):
                return self.enter(stage, x)
            case Block(stage=stage, index=index):
                return self.run_block(stage, index, x)
            case Head(norm=norm):
                x = self.tail(x)
                return self.classify(self.norm(x) if norm else x)

    def forward(self, x: Tensor) -> Tensor:
        for part in anchor_route(0, self.depths):
            x = self.run(part, x)
        return x

    def parameters_of(self, part: AnchorPart) -> Iterator[nn.Parameter]:
        """The parameters that ``part`` runs. The stem owns what no other part does."""
        if isinstance(part, Stem):
            others = anchor_route(0, self.depths)[1:]
            owned = {id(p) for other in others for p in self.parameters_of(other)}
            return (p for p in self.model.parameters() if id(p) not in owned)
        return (p for owner in self.owners_of(part) for p in _parameters(owner))

    def owners_of(self, part: Entry | Block | Head) -> list[Owner]:
        """What ``part`` consists of."""
        match part:
            case Entry(stage=stage):
                return self.entry(stage)
            case Block(stage=stage, index=index):
                return self.block(stage, index)
            case Head(norm=norm):
                names = self.tail_modules + self.head_modules
                return self._named(names + self.norm_modules if norm else names)

    def batch_norms_of(self, part: AnchorPart) -> tuple[_BatchNorm, ...]:
        """The BatchNorm layers with running statistics that ``part`` runs, in order."""
        if not isinstance(part, Head):
            return self._batch_norms.get(replace(part, anchor=0), ())
        left_out = () if part.norm else self._named(self.norm_modules)
        return tuple(layer for layer in self._batch_norms.get(Head(0), ()) if layer not in left_out)

    @cached_property
    def _batch_norms(self) -> dict[AnchorPart, tuple[_BatchNorm, ...]]:
        """Those of every part (as of anchor 0), seen in one forward pass."""
        layers = [m for m in self.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
        found: dict[AnchorPart, tuple[_BatchNorm, ...]] = {}
        if not layers:
            return found
        ran: list[_BatchNorm] = []
        handles = [layer.register_forward_pre_hook(lambda layer, _: ran.append(layer)) for layer in layers]
        for part, _ in self._run_parts(anchor_route(0, self.depths)):
            found[part] = tuple(dict.fromkeys(ran))
            ran.clear()
        for handle in handles:
            handle.remove()
        return found

    def _named(self, names: tuple[str, ...]) -> list[Owner]:
        found = (reduce(lambda m, n: getattr(m, n, None), name.split("."), self.model) for name in names)
        return [m for m in found if isinstance(m, Owner)]

    @cached_property
    def grids(self) -> tuple[int, ...]:
        """Tokens (without class tokens) or pixels in every stage."""
        last = (self.activations[Block(0, stage, depth - 1)] for stage, depth in enumerate(self.depths))
        return tuple(prod(activation.spatial) - activation.prefix for activation in last)

    @cached_property
    def activations(self) -> dict[AnchorPart, Activation]:
        """Layout and shape after every part but the head, seen in one forward pass (parts as of anchor 0)."""
        return {
            part: Activation(self.layout, tuple(x.shape[1:]), self.prefix)
            for part, x in self._run_parts(anchor_route(0, self.depths)[:-1])
        }

    def _run_parts(self, parts: Sequence[AnchorPart]) -> Iterator[tuple[AnchorPart, Tensor]]:
        """Every part with what it gives, one after the other, on an empty image in eval mode."""
        parameter = next(self.parameters())
        with torch.no_grad(), evaluating(self):
            x = torch.zeros(1, *self.input_size, device=parameter.device, dtype=parameter.dtype)
            for part in parts:
                x = self.run(part, x)
                yield part, x


def _run(modules: Sequence[Owner], x: Tensor) -> Tensor:
    for module in modules:
        x = cast("nn.Module", module)(x)
    return x


def _parameters(owner: Owner) -> Iterator[nn.Parameter]:
    return owner.parameters() if isinstance(owner, nn.Module) else iter((owner,))
