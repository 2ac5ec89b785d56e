"""Models whose stages are modules that hold ``blocks``, often behind a ``downsample`` that runs on entry."""

from typing import ClassVar

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor, Layout, Owner


class StagedAnchor(Anchor):
    layout: Layout = "NCHW"
    stages_name = "stages"
    entry_modules: tuple[str, ...] = ("downsample",)
    tail_modules = ("final_conv",)
    # A model has one of the two, or has its norm in the head.
    norm_modules: ClassVar[tuple[str, ...]] = ("norm_pre", "norm")
    head_modules: ClassVar[tuple[str, ...]] = ("head", "head_dist")

    def stages(self) -> list[list[nn.Module]]:
        return [list(stage.blocks) for stage in getattr(self.model, self.stages_name)]

    def entry(self, stage: int) -> list[Owner]:
        return self._named(tuple(f"{self.stages_name}.{stage}.{name}" for name in self.entry_modules))

    def stem(self, x: Tensor) -> Tensor:
        return self.enter(0, super().stem(x))


class ChannelsLastAnchor(StagedAnchor):
    """MambaOut, Sequencer."""

    layout = "NHWC"


class FocalNetAnchor(StagedAnchor):
    stages_name = "layers"


class VovNetAnchor(StagedAnchor):
    entry_modules = ("pool",)


class FastVitAnchor(StagedAnchor):
    entry_modules = ("downsample", "pos_emb")


class PatchStagedAnchor(StagedAnchor):
    """FasterNet, SHViT, EfficientVitMsra: the stem is called ``patch_embed``."""

    stem_modules = ("patch_embed",)
    head_modules = ("conv_head", "classifier", "head")


class DownsampleFirstAnchor(StagedAnchor):
    """StarNet, CspNext: a stage is a sequence whose first child downsamples."""

    entry_modules = ("0",)

    def stages(self) -> list[list[nn.Module]]:
        return [list(stage)[1:] for stage in self.model.stages]


class CspNetAnchor(StagedAnchor):
    """A cross stage splits its channels in two branches, so nothing less than all of it is a block."""

    entry_modules = ("conv_down",)

    def stages(self) -> list[list[nn.Module]]:
        return [[stage] if self._is_block(stage) else list(stage.blocks) for stage in self.model.stages]

    def entry(self, stage: int) -> list[Owner]:
        return [] if self._is_block(self.model.stages[stage]) else super().entry(stage)

    @staticmethod
    def _is_block(stage: nn.Module) -> bool:
        return hasattr(stage, "conv_exp") or not hasattr(stage, "blocks")  # the latter where it was cut out
