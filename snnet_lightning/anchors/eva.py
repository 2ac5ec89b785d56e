"""EVA, whose blocks take rotary embeddings beside the tokens."""

from typing import Any

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Owner
from snnet_lightning.anchors.vision_transformer import VisionTransformerAnchor
from snnet_lightning.description import AnchorDescription


class EvaAnchor(VisionTransformerAnchor):
    """Rotary embeddings: the same for all blocks, or learned and mixed anew for each."""

    def __init__(self, described: AnchorDescription, model: nn.Module, input_size: tuple[int, int, int]):
        super().__init__(described, model, input_size)
        embed: Any = model.patch_embed
        self.grid = embed.dynamic_feat_size(input_size[1:]) if model.dynamic_img_size else embed.grid_size

    @classmethod
    def refusal(cls, model: nn.Module) -> str | None:
        if model.patch_drop is not None:
            return "patch_drop_rate drops tokens, whose rotary embeddings every block would have to know"
        return None

    @property
    def any_size(self) -> bool:
        return super().any_size and self.model.rope is None  # a block does not know where its tokens stand

    def stem(self, x: Tensor) -> Tensor:
        x, _ = self.model._pos_embed(self.model.patch_embed(x))
        return self.model.norm_pre(x)

    def block(self, stage: int, index: int) -> list[Owner]:
        return [self.model.blocks[index], *self._named(("rope",))]

    def run_block(self, stage: int, index: int, x: Tensor) -> Tensor:
        rope = self.model.rope
        if rope is None:
            return super().run_block(stage, index, x)
        known = hasattr(rope, "feat_shape") and not self.model.dynamic_img_size
        embedding = rope.get_embed() if known else rope.get_embed(shape=self.grid)
        mixed = getattr(self.model, "rope_mixed", False)
        return self.model.blocks[index](x, rope=embedding[index] if mixed else embedding)
