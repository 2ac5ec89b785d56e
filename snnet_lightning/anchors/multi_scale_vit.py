"""MViT v2, whose blocks take tokens and the size of the feature map, and give both."""

from torch import Tensor, nn

from snnet_lightning.anchors.stages_with_blocks import StagedAnchor


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
