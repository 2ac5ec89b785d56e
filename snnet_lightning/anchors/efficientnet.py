"""EfficientNets and MobileNets: one sequence of blocks a stage."""

from snnet_lightning.anchors.stages_as_sequences import SequenceAnchor


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
