"""MetaFormers, whose blocks take tokens in some stages and feature maps in others."""

from torch import Tensor

from snnet_lightning.anchors.stages_with_blocks import StagedAnchor


class MetaFormerAnchor(StagedAnchor):
    """Attention stages take tokens, the others feature maps."""

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        if self.model.stages[stage].use_nchw:
            return super().run_block(stage, index, x)
        tokens = super().run_block(stage, index, x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(x.shape)
