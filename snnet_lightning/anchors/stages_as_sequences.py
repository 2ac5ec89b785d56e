"""Models whose stages are plain sequences of blocks: whatever downsamples is the first block of its stage."""

from collections.abc import Iterable
from typing import ClassVar, cast

from torch import nn

from snnet_lightning.anchors.anchor import Anchor, Layout


class SequenceAnchor(Anchor):
    layout: Layout = "NCHW"
    tail_modules: ClassVar[tuple[str, ...]] = ("final_conv", "final_act")
    norm_modules: ClassVar[tuple[str, ...]] = ()
    stages_name = "stages"

    def sequences(self) -> Iterable[nn.Module]:
        """The stages, whose children are the blocks."""
        return getattr(self.model, self.stages_name).children()

    def stages(self) -> list[list[nn.Module]]:
        stages = [list(sequence.children()) for sequence in self.sequences()]
        return [blocks for blocks in stages if blocks]  # LowFormer-B2 has empty stages


class NamedStagesAnchor(SequenceAnchor):
    """Each stage has a name of its own."""

    stage_names: tuple[str, ...]

    def sequences(self) -> Iterable[nn.Module]:
        return cast("list[nn.Module]", self._named(self.stage_names))


class LowFormerAnchor(SequenceAnchor):
    head_modules = ("in_conv", "pre_classifier", "classifier")


class ConvMixerAnchor(NamedStagesAnchor):
    stage_names = ("blocks",)


class MlpMixerAnchor(NamedStagesAnchor):
    layout = "NLC"
    stage_names = ("blocks",)
    norm_modules = ("norm",)


class DlaAnchor(SequenceAnchor):
    """A level is a tree of branches, so nothing less than all of it is a block."""

    stem_modules = ("base_layer",)
    head_modules = ("fc",)

    def stages(self) -> list[list[nn.Module]]:
        return [[getattr(self.model, f"level{level}")] for level in range(6)]
