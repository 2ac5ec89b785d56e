"""Vision transformers: one stage that holds all blocks."""

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor


class VisionTransformerAnchor(Anchor):
    """timm's VisionTransformer: DeiT, DeiT3, ViT."""

    layout = "NLC"
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
