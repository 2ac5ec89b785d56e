"""Hiera, and its variant for detection."""

from torch import Tensor, nn

from snnet_lightning.anchors.stages_by_ends import StageEndsAnchor


class HieraAnchor(StageEndsAnchor):
    """Tokens, ordered by mask unit rather than by row."""

    layout = "NLC"
    stem_modules = ("patch_embed",)

    @classmethod
    def refusal(cls, model: nn.Module) -> str | None:
        return "patch_drop_rate masks patches in training, inside timm's forward" if model.patch_drop_rate else None

    def stem(self, x: Tensor) -> Tensor:
        return self.model.unroll(self.model._pos_embed(self.model.patch_embed(x)))


class HieraDetAnchor(StageEndsAnchor):
    layout = "NHWC"

    def stem(self, x: Tensor) -> Tensor:
        return self.model._pos_embed(self.model.patch_embed(x))
