"""In-place distillation: the largest sub-network of a step teaches the others (Yu and Huang, ICCV 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Stitch


class InPlaceDistillation:
    """The largest anchor learns from the classes, all others from its probabilities alone, of the same step.

    Its logits are there already, so this costs nothing, unlike ``SoftDistillation`` from an anchor.
    """

    two_heads = False

    def start(self, net: SNNet) -> None:
        self.largest = net.space.anchors[-1]

    def __call__(self, base: Tensor, logits: Tensor, images: Tensor, stitch: Stitch) -> Tensor:
        """The loss of ``stitch``: ``base`` for the largest anchor, else the cross-entropy with its probabilities.

        Of the stitches that see the same images, the largest anchor has to come first.
        """
        if stitch == self.largest:
            precision = torch.promote_types(logits.dtype, torch.float32)  # sums of bfloat16 would be coarse
            self.wanted = logits.detach().softmax(1, precision)
            return base
        return F.cross_entropy(logits.to(self.wanted.dtype), self.wanted)
