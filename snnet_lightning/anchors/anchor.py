"""The one contract between a timm model and everything else: stem -> stages of blocks -> head."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from snnet_lightning.stitch.route import Block, Depths, Entry, Head, Part, Stem, anchor_route

Layout = Literal["NLC", "NHWC", "NCHW"]


@dataclass(frozen=True)
class Activation:
    """What flows between two parts: its layout, and its shape without the batch dimension."""

    layout: Layout
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[0] if self.layout == "NCHW" else self.shape[-1]

    @property
    def spatial(self) -> tuple[int, ...]:
        """(tokens,) or (height, width)."""
        return self.shape[1:] if self.layout == "NCHW" else self.shape[:-1]


class Anchor(nn.Module):
    """A timm model cut, without copying or changing it, into parts that a route can run one by one.

    A family's adapter is a subclass that says where the model keeps its stages and head; see ``families.py``.

    Args:
        name: readable name, used in the names of stitches.
        model: the timm model.
        input_size: (channels, height, width) of an image.
    """

    head_modules: ClassVar[tuple[str, ...]]  # submodules that run after the final norm
    norm_modules: ClassVar[tuple[str, ...]] = ("norm",)
    layout: ClassVar[Layout]

    def __init__(self, name: str, model: nn.Module, input_size: tuple[int, int, int]):
        super().__init__()
        self.name = name
        self.model = model
        self.input_size = tuple(input_size)

    # --- what an adapter defines -------------------------------------------------------------------------------

    def stages(self) -> list[list[nn.Module]]:
        """The blocks of every stage."""
        raise NotImplementedError

    def stem(self, x: Tensor) -> Tensor:
        """Image (N, C, H, W) -> activations that enter the first block."""
        raise NotImplementedError

    def entry(self, stage: int) -> nn.Module | None:
        """What runs on entering ``stage`` >= 1, if anything does."""
        return None

    def run_block(self, block: nn.Module, x: Tensor) -> Tensor:
        return block(x)

    def norm(self, x: Tensor) -> Tensor:
        """The final norm, on the last block's output."""
        return self.model.norm(x)

    def classify(self, x: Tensor) -> Tensor:
        """Normed features -> logits (N, classes)."""
        return self.model.forward_head(x)

    # --- what everything else uses -----------------------------------------------------------------------------

    @cached_property
    def depths(self) -> Depths:
        return tuple(len(blocks) for blocks in self.stages())

    @property
    def num_classes(self) -> int:
        return self.model.num_classes

    def run(self, part: Part, x: Tensor) -> Tensor:
        """Run one part of this anchor."""
        match part:
            case Stem():
                return self.stem(x)
            case Entry(stage=stage):
                entry = self.entry(stage)
                return x if entry is None else entry(x)
            case Block(stage=stage, index=index):
                return self.run_block(self.stages()[stage][index], x)
            case Head(norm=norm):
                return self.classify(self.norm(x) if norm else x)

    def forward(self, x: Tensor) -> Tensor:
        for part in anchor_route(0, self.depths):
            x = self.run(part, x)
        return x

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """The parameters that ``part`` runs. The stem owns what no block, stage entry, norm or head does."""
        match part:
            case Stem():
                others = self._modules_after_stem()
                owned = {id(p) for module in others for p in module.parameters()}
                return (p for p in self.model.parameters() if id(p) not in owned)
            case Entry(stage=stage):
                modules = [self.entry(stage)]
            case Block(stage=stage, index=index):
                modules = [self.stages()[stage][index]]
            case Head(norm=norm):
                modules = [*self._named(self.head_modules), *(self._named(self.norm_modules) if norm else ())]
        return (p for module in modules if module is not None for p in module.parameters())

    def _modules_after_stem(self) -> list[nn.Module]:
        stages = self.stages()
        entries = [self.entry(stage) for stage in range(1, len(stages))]
        blocks = [block for stage in stages for block in stage]
        ends = self._named(self.head_modules + self.norm_modules)
        return [m for m in (*blocks, *entries, *ends) if m is not None]

    def _named(self, names: tuple[str, ...]) -> list[nn.Module]:
        found = (getattr(self.model, name, None) for name in names)
        return [m for m in found if isinstance(m, nn.Module)]

    @cached_property
    def activations(self) -> dict[Part, Activation]:
        """Layout and shape after every part but the head, seen in one forward pass (parts as of anchor 0)."""
        seen: dict[Part, Activation] = {}
        parameter = next(self.parameters())
        training = self.training
        self.eval()
        with torch.no_grad():
            x = torch.zeros(1, *self.input_size, device=parameter.device, dtype=parameter.dtype)
            for part in anchor_route(0, self.depths)[:-1]:
                x = self.run(part, x)
                seen[part] = Activation(self.layout, tuple(x.shape[1:]))
        self.train(training)
        return seen
