"""In-place distillation: the largest sub-network of a step teaches the others (Yu and Huang, ICCV 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Stitch


class InPlaceDistillation:
    """The largest anchor learns from the classes, all others from its probabilities alone, of the same step.

    Its logits are there already, so this costs nothing, unlike ``SoftDistillation`` from an anchor.
    """

    def start(self, net: SNNet) -> None:
        self.largest = net.space.anchors[-1]
        self.images = self.wanted = None

    def __call__(self, base: Tensor, logits: Tensor, images: Tensor, stitch: Stitch) -> Tensor:
        """The loss of ``stitch``: ``base`` for the largest anchor, else the cross-entropy with its probabilities.

        Raises:
            InputError: the largest anchor has not seen these images yet.
        """
        if stitch == self.largest:
            self.images, self.wanted = (
                images,
                logits.detach().softmax(1, torch.promote_types(logits.dtype, torch.float32)),
            )
            return base
        if self.images is not images:
            raise InputError(
                "distillation=in_place: every step must draw the largest anchor, as sampler=sandwich does; "
                "distillation=soft distillation.teacher=anchor works with any sampler"
            )
        return F.cross_entropy(logits.to(self.wanted.dtype), self.wanted)
