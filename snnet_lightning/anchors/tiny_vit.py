"""TinyViT, whose blocks take another layout than runs between its stages."""

from torch import Tensor

from snnet_lightning.anchors.stages_with_blocks import StagedAnchor


class TinyVitAnchor(StagedAnchor):
    """The first stage is convolutional, the blocks of the others are channels-last."""

    stem_modules = ("patch_embed",)

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        if stage == 0:
            return super().run_block(stage, index, x)
        return super().run_block(stage, index, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
