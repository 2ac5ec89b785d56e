"""Which adapter cuts which timm class. A new family is one adapter and one line here."""

from torch import nn

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.class_attention import CaitAnchor, XcitAnchor
from snnet_lightning.anchors.inner_layout import (
    MetaFormerAnchor,
    MultiScaleVitAnchor,
    PyramidVisionTransformerAnchor,
    SwinV2CrAnchor,
    TinyVitAnchor,
)
from snnet_lightning.anchors.position_bias import BeitAnchor, EvaAnchor, RelPosAnchor
from snnet_lightning.anchors.sequences import (
    EfficientNetAnchor,
    LowFormerAnchor,
    MixerAnchor,
    MobileNetV3Anchor,
    RegNetAnchor,
    ResNetAnchor,
    SequenceAnchor,
    SequenceConvAnchor,
    SingleStageAnchor,
    TResNetAnchor,
)
from snnet_lightning.anchors.stage_ends import HieraAnchor, HieraDetAnchor, RexNetAnchor
from snnet_lightning.anchors.staged import (
    ChannelsLastAnchor,
    FastVitAnchor,
    FocalNetAnchor,
    LevitAnchor,
    PatchStagedAnchor,
    StagedAnchor,
    StarNetAnchor,
    SwinAnchor,
    VovNetAnchor,
)
from snnet_lightning.anchors.vision_transformer import VisionTransformerAnchor
from snnet_lightning.errors import InputError

ADAPTERS: dict[str, type[Anchor]] = {
    "Beit": BeitAnchor,
    "ByobNet": SequenceConvAnchor,
    "CPUBone": SequenceAnchor,
    "Cait": CaitAnchor,
    "ConvMixer": SingleStageAnchor,
    "ConvNeXt": StagedAnchor,
    "DaVit": StagedAnchor,
    "EdgeNeXt": StagedAnchor,
    "EfficientFormerV2": StagedAnchor,
    "EfficientNet": EfficientNetAnchor,
    "EfficientVit": StagedAnchor,
    "EfficientVitLarge": StagedAnchor,
    "EfficientVitMsra": PatchStagedAnchor,
    "Eva": EvaAnchor,
    "FastVit": FastVitAnchor,
    "FasterNet": PatchStagedAnchor,
    "FocalNet": FocalNetAnchor,
    "GhostNet": MobileNetV3Anchor,
    "Hiera": HieraAnchor,
    "HieraDet": HieraDetAnchor,
    "HighPerfGpuNet": StagedAnchor,
    "IFormer": StagedAnchor,
    "LCNetV2": MobileNetV3Anchor,
    "Levit": LevitAnchor,
    "LevitDistilled": LevitAnchor,
    "LowFormer": LowFormerAnchor,
    "MambaOut": ChannelsLastAnchor,
    "MaxxVit": StagedAnchor,
    "MetaFormer": MetaFormerAnchor,
    "MetaNeXt": StagedAnchor,
    "MlpMixer": MixerAnchor,
    "MobileNetV3": MobileNetV3Anchor,
    "MultiScaleVit": MultiScaleVitAnchor,
    "NextViT": StagedAnchor,
    "NormFreeNet": SequenceConvAnchor,
    "PyramidVisionTransformerV2": PyramidVisionTransformerAnchor,
    "RegNet": RegNetAnchor,
    "RepGhostNet": MobileNetV3Anchor,
    "RepVit": StagedAnchor,
    "ResNet": ResNetAnchor,
    "ResNetV2": StagedAnchor,
    "RexNet": RexNetAnchor,
    "SENet": ResNetAnchor,
    "SHViT": PatchStagedAnchor,
    "Sequencer2d": ChannelsLastAnchor,
    "StarNet": StarNetAnchor,
    "SwiftFormer": StagedAnchor,
    "SwinTransformer": SwinAnchor,
    "SwinTransformerV2": SwinAnchor,
    "SwinTransformerV2Cr": SwinV2CrAnchor,
    "TResNet": TResNetAnchor,
    "TinyVit": TinyVitAnchor,
    "VisionTransformer": VisionTransformerAnchor,
    "VisionTransformerDistilled": VisionTransformerAnchor,
    "VisionTransformerRelPos": RelPosAnchor,
    "VovNet": VovNetAnchor,
    "Xcit": XcitAnchor,
}


def adapter_for(model: nn.Module, timm_name: str) -> type[Anchor]:
    """The adapter of a timm model.

    Raises:
        InputError: the model's class has none (the supported classes are listed), or this model cannot be cut.
    """
    adapter = ADAPTERS.get(type(model).__name__)
    if adapter is None:
        raise InputError(
            f"{timm_name} is a {type(model).__name__}, which has no adapter; supported timm classes: "
            + ", ".join(sorted(ADAPTERS))
        )
    reason = adapter.refusal(model)
    if reason is not None:
        raise InputError(f"{timm_name} cannot be an anchor: {reason}")
    return adapter
