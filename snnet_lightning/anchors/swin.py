"""Swin transformers."""

from torch import Tensor

from snnet_lightning.anchors.stages_with_blocks import StagedAnchor


class SwinAnchor(StagedAnchor):
    """SwinTransformer and SwinTransformerV2."""

    layout = "NHWC"
    stem_modules = ("patch_embed",)
    stages_name = "layers"


class SwinV2CrAnchor(StagedAnchor):
    """timm's stages convert to NHWC and back, which cancels out between stages."""

    layout = "NHWC"
    stem_modules = ("patch_embed",)

    def stem(self, x: Tensor) -> Tensor:
        return self.enter(0, self.model.patch_embed(x).permute(0, 2, 3, 1))

    def classify(self, x: Tensor) -> Tensor:
        return self.model.forward_head(x.permute(0, 3, 1, 2))
