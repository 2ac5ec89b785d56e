"""Models that keep the blocks of all stages in one sequence, and say at which block each stage ends."""

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor


class StageEndsAnchor(Anchor):
    blocks_name = "blocks"
    norm_modules = ()

    def stages(self) -> list[list[nn.Module]]:
        blocks = list(getattr(self.model, self.blocks_name))
        ends = [end + 1 for end in self.model.stage_ends]
        stages = [blocks[start:end] for start, end in zip([0, *ends], [*ends, len(blocks)], strict=True)]
        return [stage for stage in stages if stage]


class RexNetAnchor(StageEndsAnchor):
    """The convolution that ends the sequence is a stage by itself."""

    layout = "NCHW"
    blocks_name = "features"


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
