"""Models that keep the blocks of all stages in one sequence, and say at which block each stage ends."""

from torch import nn

from snnet_lightning.anchors.anchor import Anchor


class StageEndsAnchor(Anchor):
    blocks_name = "blocks"
    norm_modules = ()

    def stages(self) -> list[list[nn.Module]]:
        blocks = list(getattr(self.model, self.blocks_name))
        ends = [end + 1 for end in self.model.stage_ends]
        stages = [blocks[start:end] for start, end in zip([0, *ends], [*ends, len(blocks)], strict=True)]
        return [stage for stage in stages if stage]
