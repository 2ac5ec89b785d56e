"""Which adapter cuts which timm class. A new family is one adapter and one line here."""

from torch import nn

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.beit import BeitAnchor, RelPosAnchor
from snnet_lightning.anchors.cait import CaitAnchor
from snnet_lightning.anchors.efficientnet import EfficientNetAnchor, LCNetV2Anchor, MobileNetV3Anchor
from snnet_lightning.anchors.eva import EvaAnchor
from snnet_lightning.anchors.hiera import HieraAnchor, HieraDetAnchor
from snnet_lightning.anchors.levit import LevitAnchor
from snnet_lightning.anchors.metaformer import MetaFormerAnchor
from snnet_lightning.anchors.multi_scale_vit import MultiScaleVitAnchor
from snnet_lightning.anchors.pyramid_vision_transformer import PyramidVisionTransformerAnchor
from snnet_lightning.anchors.resnet import RegNetAnchor, ResNetAnchor, SENetAnchor, TResNetAnchor
from snnet_lightning.anchors.rexnet import RexNetAnchor
from snnet_lightning.anchors.stages_as_sequences import (
    ConvMixerAnchor,
    DlaAnchor,
    LowFormerAnchor,
    MlpMixerAnchor,
    SequenceAnchor,
)
from snnet_lightning.anchors.stages_with_blocks import (
    ChannelsLastAnchor,
    CspNetAnchor,
    DownsampleFirstAnchor,
    FastVitAnchor,
    FocalNetAnchor,
    PatchStagedAnchor,
    StagedAnchor,
    VovNetAnchor,
)
from snnet_lightning.anchors.swin import SwinAnchor, SwinV2CrAnchor
from snnet_lightning.anchors.tiny_vit import TinyVitAnchor
from snnet_lightning.anchors.twins import TwinsAnchor
from snnet_lightning.anchors.vision_transformer import NaFlexVitAnchor, SamAnchor, VisionTransformerAnchor
from snnet_lightning.anchors.volo import VoloAnchor
from snnet_lightning.anchors.xcit import XcitAnchor
from snnet_lightning.errors import InputError

ADAPTERS: dict[str, type[Anchor]] = {
    "Beit": BeitAnchor,
    "ByobNet": SequenceAnchor,
    "CPUBone": SequenceAnchor,
    "Cait": CaitAnchor,
    "ConvMixer": ConvMixerAnchor,
    "ConvNeXt": StagedAnchor,
    "CspNet": CspNetAnchor,
    "CspNext": DownsampleFirstAnchor,
    "DLA": DlaAnchor,
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
    "LCNetV2": LCNetV2Anchor,
    "Levit": LevitAnchor,
    "LevitDistilled": LevitAnchor,
    "LowFormer": LowFormerAnchor,
    "MambaOut": ChannelsLastAnchor,
    "MaxxVit": StagedAnchor,
    "MetaFormer": MetaFormerAnchor,
    "MetaNeXt": StagedAnchor,
    "MlpMixer": MlpMixerAnchor,
    "MobileNetV3": MobileNetV3Anchor,
    "MultiScaleVit": MultiScaleVitAnchor,
    "NaFlexVit": NaFlexVitAnchor,
    "NextViT": StagedAnchor,
    "NormFreeNet": SequenceAnchor,
    "PyramidVisionTransformerV2": PyramidVisionTransformerAnchor,
    "RegNet": RegNetAnchor,
    "RepGhostNet": MobileNetV3Anchor,
    "RepVit": StagedAnchor,
    "ResNet": ResNetAnchor,
    "ResNetV2": StagedAnchor,
    "RexNet": RexNetAnchor,
    "SENet": SENetAnchor,
    "SHViT": PatchStagedAnchor,
    "Sequencer2d": ChannelsLastAnchor,
    "StarNet": DownsampleFirstAnchor,
    "SwiftFormer": StagedAnchor,
    "SwinTransformer": SwinAnchor,
    "SwinTransformerV2": SwinAnchor,
    "SwinTransformerV2Cr": SwinV2CrAnchor,
    "TResNet": TResNetAnchor,
    "TinyVit": TinyVitAnchor,
    "Twins": TwinsAnchor,
    "VOLO": VoloAnchor,
    "VisionTransformer": VisionTransformerAnchor,
    "VisionTransformerDistilled": VisionTransformerAnchor,
    "VisionTransformerRelPos": RelPosAnchor,
    "VisionTransformerSAM": SamAnchor,
    "VovNet": VovNetAnchor,
    "Xcit": XcitAnchor,
}


def adapter_for(model: nn.Module, timm_name: str) -> type[Anchor]:
    """The adapter of a timm model.

    Raises:
        InputError: the model's class has none (lists the supported ones), or this model cannot be cut.
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
