"""PVT v2, whose blocks take tokens and the size of the feature map."""

from torch import Tensor

from snnet_lightning.anchors.anchor import Owner
from snnet_lightning.anchors.stages_with_blocks import StagedAnchor


class PyramidVisionTransformerAnchor(StagedAnchor):
    """Blocks take tokens and (height, width); the norm that ends a stage runs on entering the next."""

    layout = "NHWC"
    stem_modules = ("patch_embed",)
    norm_modules = ("stages.3.norm",)

    def entry(self, stage: int) -> list[Owner]:
        return [self.model.stages[stage - 1].norm, self.model.stages[stage].downsample]

    def enter(self, stage: int, x: Tensor) -> Tensor:
        if stage == 0:
            return x
        x = self.model.stages[stage - 1].norm(x)
        return self.model.stages[stage].downsample(x.permute(0, 3, 1, 2).contiguous())

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        return self.stages()[stage][index](x.flatten(1, 2), x.shape[1:3]).reshape(x.shape)

    def classify(self, x: Tensor) -> Tensor:
        return self.model.forward_head(x.permute(0, 3, 1, 2).contiguous())
