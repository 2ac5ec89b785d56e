"""Transformers whose class token meets the patches only in a few last blocks, which are part of the head."""

from typing import Any

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor, Owner


class CaitAnchor(Anchor):
    layout = "NLC"
    tail_modules = ("blocks_token_only", "cls_token")

    def stages(self) -> list[list[nn.Module]]:
        return [list(self.model.blocks)]

    def stem(self, x: Tensor) -> Tensor:
        return self.model.pos_drop(self.model.patch_embed(x) + self.model.pos_embed)

    def tail(self, x: Tensor) -> Tensor:
        return x if self.model.blocks_token_only is None else self.model.forward_cls(x)


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
        x = x.flatten(1, 2)
        return x if self.model.cls_attn_blocks is None else self.model.forward_cls(x)


class VoloAnchor(Anchor):
    """Outlookers on a fine grid, then transformers on a coarse one, whose entry adds the positions."""

    layout = "NHWC"
    stem_modules = ("patch_embed",)
    tail_modules = ("post_network", "cls_token")
    head_modules = ("head", "aux_head")

    @classmethod
    def refusal(cls, model: Any) -> str | None:
        kinds = [isinstance(module, nn.Sequential) for module in model.network[:3]]
        return None if kinds == [True, False, True] else "its second module does not downsample"

    def stages(self) -> list[list[nn.Module]]:
        fine, _, *coarse = self.model.network
        return [list(fine), [block for blocks in coarse for block in blocks]]

    def entry(self, stage: int) -> list[Owner]:
        return [self.model.network[1], self.model.pos_embed]

    def stem(self, x: Tensor) -> Tensor:
        return self.model.patch_embed(x).permute(0, 2, 3, 1)

    def enter(self, stage: int, x: Tensor) -> Tensor:
        return self.model.pos_drop(self.model.network[1](x) + self.model.pos_embed)

    def tail(self, x: Tensor) -> Tensor:
        x = x.flatten(1, 2)
        return x if self.model.post_network is None else self.model.forward_cls(x)
