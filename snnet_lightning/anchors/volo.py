"""VOLO, whose class token meets the patches only in a few last blocks, which are part of the head."""

from typing import Any

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor, Owner


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
