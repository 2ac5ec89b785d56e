"""Twins, whose blocks take tokens and the size of the feature map."""

from typing import cast

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Owner
from snnet_lightning.anchors.stages_with_blocks import StagedAnchor


class TwinsAnchor(StagedAnchor):
    """Blocks take tokens and (height, width); a stage's position encoding runs after its first block."""

    layout = "NHWC"
    stem_modules = ()

    def stages(self) -> list[list[nn.Module]]:
        return [list(blocks) for blocks in self.model.blocks]

    def entry(self, stage: int) -> list[Owner]:
        return [self.model.patch_embeds[stage]]

    def enter(self, stage: int, x: Tensor) -> Tensor:
        if stage:
            x = x.permute(0, 3, 1, 2).contiguous()
        x, size = self.model.patch_embeds[stage](x)
        return self.model.pos_drops[stage](x).unflatten(1, tuple(size))

    def block(self, stage: int, index: int) -> list[Owner]:
        return [*super().block(stage, index), *([] if index else [self.model.pos_block[stage]])]

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        tokens = x.flatten(1, 2)
        for module in self.block(stage, index):
            tokens = cast("nn.Module", module)(tokens, x.shape[1:3])
        return tokens.reshape(x.shape)

    def tail(self, x: Tensor) -> Tensor:
        return x.flatten(1, 2)
