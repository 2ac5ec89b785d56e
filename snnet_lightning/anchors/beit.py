"""Vision transformers whose blocks add a bias of relative positions: BEiT, and timm's own."""

import torch
from torch import Tensor, nn

from snnet_lightning.anchors.vision_transformer import VisionTransformerAnchor

SHARED_BIAS = "its blocks share one position bias, which each would have to compute anew"


class BeitAnchor(VisionTransformerAnchor):
    """The bias belongs to the block."""

    @classmethod
    def refusal(cls, model: nn.Module) -> str | None:
        return SHARED_BIAS if model.rel_pos_bias is not None else None

    def stem(self, x: Tensor) -> Tensor:
        x = self.model.patch_embed(x)
        x = torch.cat((self.model.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        return self.model.pos_drop(x if self.model.pos_embed is None else x + self.model.pos_embed)


class RelPosAnchor(VisionTransformerAnchor):
    """VisionTransformerRelPos: the bias belongs to the block."""

    @classmethod
    def refusal(cls, model: nn.Module) -> str | None:
        return SHARED_BIAS if model.shared_rel_pos is not None else None

    def stem(self, x: Tensor) -> Tensor:
        x = self.model.patch_embed(x)
        token = self.model.cls_token
        return x if token is None else torch.cat((token.expand(x.shape[0], -1, -1), x), dim=1)
