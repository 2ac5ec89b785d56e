"""CaiT, whose class token meets the patches only in a few last blocks, which are part of the head."""

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor


class CaitAnchor(Anchor):
    layout = "NLC"
    tail_modules = ("blocks_token_only", "cls_token")

    def stages(self) -> list[list[nn.Module]]:
        return [list(self.model.blocks)]

    def stem(self, x: Tensor) -> Tensor:
        return self.model.pos_drop(self.model.patch_embed(x) + self.model.pos_embed)

    def tail(self, x: Tensor) -> Tensor:
        return self.model.forward_cls(x)
