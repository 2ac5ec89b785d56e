"""XCiT, whose class token meets the patches only in a few last blocks, which are part of the head."""

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor


class XcitAnchor(Anchor):
    """Blocks take tokens, height and width, so the activation is a feature map."""

    layout = "NHWC"
    tail_modules = ("cls_attn_blocks", "cls_token")

    def stages(self) -> list[list[nn.Module]]:
        return [list(self.model.blocks)]

    def stem(self, x: Tensor) -> Tensor:
        x, size = self.model.patch_embed(x)
        x = x.unflatten(1, tuple(size))
        if self.model.pos_embed is not None:
            x = x + self.model.pos_embed(x.shape[0], *size).permute(0, 2, 3, 1)
        return self.model.pos_drop(x)

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        return self.stages()[stage][index](x.flatten(1, 2), *x.shape[1:3]).reshape(x.shape)

    def tail(self, x: Tensor) -> Tensor:
        return self.model.forward_cls(x.flatten(1, 2))
