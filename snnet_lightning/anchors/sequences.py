"""Models whose stages are plain sequences of blocks: whatever downsamples is the first block of its stage."""

from collections.abc import Iterable
from typing import ClassVar, cast

from torch import nn

from snnet_lightning.anchors.anchor import Anchor, Layout


class SequenceAnchor(Anchor):
    layout: Layout = "NCHW"
    norm_modules: ClassVar[tuple[str, ...]] = ()
    stages_name = "stages"

    def sequences(self) -> Iterable[nn.Module]:
        """The stages, whose children are the blocks."""
        return getattr(self.model, self.stages_name).children()

    def stages(self) -> list[list[nn.Module]]:
        stages = [list(sequence.children()) for sequence in self.sequences()]
        return [blocks for blocks in stages if blocks]  # LowFormer-B2 has empty stages


class LowFormerAnchor(SequenceAnchor):
    head_modules = ("in_conv", "pre_classifier", "classifier")


class LastConvAnchor(SequenceAnchor):
    """ByobNet, NormFreeNet: a last convolution between the stages and the head."""

    tail_modules = ("final_conv", "final_act")


class EfficientNetAnchor(SequenceAnchor):
    """The last convolution runs before the pooling."""

    stem_modules = ("conv_stem", "bn1")
    stages_name = "blocks"
    tail_modules = ("conv_head", "bn2")
    head_modules = ("classifier",)


class MobileNetV3Anchor(SequenceAnchor):
    """MobileNetV3, GhostNet, RepGhostNet: the last convolution runs after the pooling, in timm's head."""

    stem_modules = ("conv_stem", "bn1", "act1")
    stages_name = "blocks"
    head_modules = ("conv_head", "norm_head", "classifier")


class LCNetV2Anchor(SequenceAnchor):
    head_modules = ("conv_head", "classifier")


class NamedStagesAnchor(SequenceAnchor):
    """Each stage has a name of its own."""

    stage_names: tuple[str, ...]

    def sequences(self) -> Iterable[nn.Module]:
        return cast("list[nn.Module]", self._named(self.stage_names))


class RegNetAnchor(NamedStagesAnchor):
    stage_names = ("s1", "s2", "s3", "s4")
    tail_modules = ("final_conv",)


class ResNetAnchor(NamedStagesAnchor):
    stem_modules: ClassVar[tuple[str, ...]] = ("conv1", "bn1", "act1", "maxpool")
    stage_names = ("layer1", "layer2", "layer3", "layer4")
    head_modules = ("fc",)


class SENetAnchor(ResNetAnchor):
    stem_modules = ("layer0", "pool0")
    head_modules = ("last_linear",)


class TResNetAnchor(NamedStagesAnchor):
    stem_modules = ("body.s2d", "body.conv1")
    stage_names = ("body.layer1", "body.layer2", "body.layer3", "body.layer4")


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
