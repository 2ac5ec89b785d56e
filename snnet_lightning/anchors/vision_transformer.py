"""Vision transformers: one stage that holds all blocks."""

from timm.layers import resample_abs_pos_embed_nhwc
from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor, Layout


class VisionTransformerAnchor(Anchor):
    """timm's VisionTransformer: DeiT, DeiT3, ViT."""

    layout: Layout = "NLC"
    head_modules = ("attn_pool", "fc_norm", "head", "head_dist")

    @property
    def prefix(self) -> int:
        return self.model.num_prefix_tokens

    def stages(self) -> list[list[nn.Module]]:
        return [list(self.model.blocks)]

    def stem(self, x: Tensor) -> Tensor:
        x = self.model.patch_embed(x)
        x = self.model._pos_embed(x)  # adds the class token too, and has no public name
        return self.model.norm_pre(self.model.patch_drop(x))


class NaFlexVitAnchor(VisionTransformerAnchor):
    """Fed with plain images, so every patch is valid."""

    @classmethod
    def refusal(cls, model: nn.Module) -> str | None:
        return None if model.rope is None else "its blocks take rotary embeddings of patch coordinates"

    def stem(self, x: Tensor) -> Tensor:
        return self.model._forward_embeds(x, patch_coord=None, patch_valid=None, attn_mask=None)["patches"]


class SamAnchor(VisionTransformerAnchor):
    """VisionTransformerSAM: feature maps, and a convolutional neck in place of the final norm."""

    layout = "NHWC"
    tail_modules = ("neck",)
    norm_modules = ()
    prefix = 0

    def stem(self, x: Tensor) -> Tensor:
        x = self.model.patch_embed(x)
        if self.model.pos_embed is not None:
            x = x + resample_abs_pos_embed_nhwc(self.model.pos_embed, x.shape[1:3])
        return self.model.norm_pre(self.model.patch_drop(self.model.pos_drop(x)))

    def tail(self, x: Tensor) -> Tensor:
        return self.model.neck(x.permute(0, 3, 1, 2))
