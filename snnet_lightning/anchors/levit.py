"""LeViT."""

from torch import Tensor, nn

from snnet_lightning.anchors.stages_with_blocks import StagedAnchor
from snnet_lightning.description import AnchorDescription


class LevitAnchor(StagedAnchor):
    """Tokens, or feature maps in the convolutional variants; the distilled head averages two classifiers."""

    def __init__(self, described: AnchorDescription, model: nn.Module, input_size: tuple[int, int, int]):
        super().__init__(described, model, input_size)
        self.layout = "NCHW" if self.model.use_conv else "NLC"

    def stem(self, x: Tensor) -> Tensor:
        x = self.model.stem(x)
        return self.enter(0, x if self.model.use_conv else x.flatten(2).transpose(1, 2))
