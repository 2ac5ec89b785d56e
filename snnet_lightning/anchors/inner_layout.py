"""Staged models whose blocks take another layout than the activation has: it is converted around every block.

What flows between blocks keeps height and width, so that every block can be run by itself, at any input size.
"""

from typing import cast

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Owner
from snnet_lightning.anchors.staged import StagedAnchor


class MetaFormerAnchor(StagedAnchor):
    """Attention stages take tokens, the others feature maps."""

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        if self.model.stages[stage].use_nchw:
            return super().run_block(stage, index, x)
        tokens = super().run_block(stage, index, x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(x.shape)


class TinyVitAnchor(StagedAnchor):
    """The first stage is convolutional, the blocks of the others are channels-last."""

    stem_modules = ("patch_embed",)

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        if stage == 0:
            return super().run_block(stage, index, x)
        return super().run_block(stage, index, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SwinV2CrAnchor(StagedAnchor):
    """timm's stages convert to NHWC and back, which cancels out between stages."""

    layout = "NHWC"
    stem_modules = ("patch_embed",)

    def stem(self, x: Tensor) -> Tensor:
        return self.enter(0, self.model.patch_embed(x).permute(0, 2, 3, 1))

    def classify(self, x: Tensor) -> Tensor:
        return self.model.forward_head(x.permute(0, 3, 1, 2))


class PyramidVisionTransformerAnchor(StagedAnchor):
    """Blocks take tokens and (height, width); the norm that ends a stage runs on entering the next."""

    layout = "NHWC"
    stem_modules = ("patch_embed",)
    norm_modules = ("stages.3.norm",)

    def entry(self, stage: int) -> list[Owner]:
        return [self.model.stages[stage - 1].norm, self.model.stages[stage].downsample] if stage else []

    def enter(self, stage: int, x: Tensor) -> Tensor:
        if stage == 0:
            return x
        x = self.model.stages[stage - 1].norm(x)
        return self.model.stages[stage].downsample(x.permute(0, 3, 1, 2).contiguous())

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        return self.stages()[stage][index](x.flatten(1, 2), x.shape[1:3]).reshape(x.shape)

    def classify(self, x: Tensor) -> Tensor:
        return self.model.forward_head(x.permute(0, 3, 1, 2).contiguous())


class MultiScaleVitAnchor(StagedAnchor):
    """Blocks take and give tokens and (height, width)."""

    layout = "NHWC"
    entry_modules = ()

    @classmethod
    def refusal(cls, model: nn.Module) -> str | None:
        if model.cls_token is not None:
            return "its class token goes through blocks that need the feature map's size besides"
        return None

    def stem(self, x: Tensor) -> Tensor:
        x, size = self.model.patch_embed(x)
        if self.model.pos_embed is not None:
            x = x + self.model.pos_embed
        return x.unflatten(1, tuple(size))

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        x, size = self.stages()[stage][index](x.flatten(1, 2), x.shape[1:3])
        return x.unflatten(1, tuple(size))

    def tail(self, x: Tensor) -> Tensor:
        return x.flatten(1, 2)


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
