"""Models whose stages are plain sequences of blocks: whatever downsamples is the first block of its stage."""

from torch import nn

from snnet_lightning.anchors.anchor import Anchor


class SequenceAnchor(Anchor):
    layout = "NCHW"
    stage_names: tuple[str, ...] = ("stages.*",)  # where the stages are; ``x.*`` stands for the children of x

    def stages(self) -> list[list[nn.Module]]:
        found = [
            stage
            for name in self.stage_names
            for module in self._named((name.removesuffix(".*"),))
            for stage in (module.children() if name.endswith(".*") else [module])
        ]
        return [blocks for blocks in map(list, (stage.children() for stage in found)) if blocks]


class SequenceConvAnchor(SequenceAnchor):
    """ByobNet, NormFreeNet: timm puts a last convolution between the stages and the head."""

    tail_modules = ("final_conv", "final_act")


class RegNetAnchor(SequenceConvAnchor):
    stage_names = ("s1", "s2", "s3", "s4")


class ResNetAnchor(SequenceAnchor):
    """ResNet and SENet, which differ in the names of their stems and classifiers."""

    stem_modules = ("conv1", "bn1", "act1", "maxpool", "layer0", "pool0")
    stage_names = ("layer1", "layer2", "layer3", "layer4")
    head_modules = ("fc", "last_linear")


class TResNetAnchor(SequenceAnchor):
    stem_modules = ("body.s2d", "body.conv1")
    stage_names = ("body.layer1", "body.layer2", "body.layer3", "body.layer4")


class EfficientNetAnchor(SequenceAnchor):
    """The last convolution runs before the pooling."""

    stem_modules = ("conv_stem", "bn1")
    stage_names = ("blocks.*",)
    tail_modules = ("conv_head", "bn2")
    head_modules = ("classifier",)


class MobileNetV3Anchor(SequenceAnchor):
    """MobileNetV3, GhostNet, LCNet: the last convolution runs after the pooling, so timm's head has it."""

    stem_modules = ("conv_stem", "bn1", "act1", "stem")
    stage_names = ("blocks.*", "stages.*")
    head_modules = ("conv_head", "norm_head", "classifier")


class LowFormerAnchor(SequenceAnchor):
    head_modules = ("in_conv", "pre_classifier", "classifier")


class SingleStageAnchor(SequenceAnchor):
    """ConvMixer: one sequence of blocks of one size."""

    stage_names = ("blocks",)


class MixerAnchor(SingleStageAnchor):
    """MlpMixer: tokens."""

    layout = "NLC"


class DlaAnchor(SequenceAnchor):
    """A level is a tree of branches, so nothing less than all of it is a block."""

    stem_modules = ("base_layer",)
    head_modules = ("fc",)

    def stages(self) -> list[list[nn.Module]]:
        return [[getattr(self.model, f"level{level}")] for level in range(6)]
