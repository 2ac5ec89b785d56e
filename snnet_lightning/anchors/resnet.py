"""ResNets and RegNets: one sequence of blocks a stage, each with a name of its own."""

from typing import ClassVar

from snnet_lightning.anchors.stages_as_sequences import NamedStagesAnchor


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


class RegNetAnchor(NamedStagesAnchor):
    stage_names = ("s1", "s2", "s3", "s4")
