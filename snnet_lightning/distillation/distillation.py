"""What a teacher adds to the training loss, as published with DeiT (Touvron et al., ICML 2021, section 4)."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat
from torch import Tensor

from snnet_lightning.anchors.timm_model import PRETRAINED, require_known
from snnet_lightning.checked import Share
from snnet_lightning.distillation.teacher import ANCHOR, OPTIONS, AnchorTeacher, ExternalTeacher
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Stitch


class Distillation(ABC):
    """(1 - alpha) * the loss without a teacher + alpha * how far the logits are from the teacher's.

    Args:
        teacher: timm name of the teacher, or ``anchor`` for the largest anchor of the SN-Net itself.
        weights: of a timm teacher: ``pretrained``, ``random`` or the path of a local file.
        alpha: share of the teacher in the loss, 0 to 1.
        two_heads: in training, the anchors give the logits of both of their classifiers: the classes teach the first,
            the teacher the second, which was made for it. Evaluation has their mean.

    Raises:
        InputError: timm has no such model.
    """

    def __init__(self, teacher: str, weights: str = PRETRAINED, alpha: Share = 0.5, two_heads: bool = False):
        if teacher != ANCHOR:
            require_known(teacher, OPTIONS)
        self.name, self.weights, self.alpha, self.two_heads = teacher, weights, alpha, two_heads

    def start(self, net: SNNet) -> None:
        """Get the teacher ready for the images that ``net`` takes, where it lies and in its precision.

        Raises:
            InputError: weights that cannot be had or do not fit, or of another number of classes than the anchors'.
        """
        largest = net.anchors[-1]
        if self.name == ANCHOR:
            self.teacher: AnchorTeacher | ExternalTeacher = AnchorTeacher(largest)
        else:
            self.teacher = ExternalTeacher(self.name, self.weights, largest)

    def __call__(self, base: Tensor, logits: Tensor, images: Tensor, stitch: Stitch) -> Tensor:
        """The loss: ``base`` is the one without a teacher, which teaches the ``logits`` (N, classes) of ``images``."""
        return (1 - self.alpha) * base + self.alpha * self.divergence(logits, self.teacher(images))

    @abstractmethod
    def divergence(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """How far ``logits`` are from the teacher's, ``wanted``; both (N, classes)."""


class HardDistillation(Distillation):
    """The teacher's most likely class is a second target."""

    def divergence(self, logits: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(logits, wanted.argmax(1))


class SoftDistillation(Distillation):
    """The teacher's probabilities are the target, softened by a temperature.

    As in DeiT's code, the Kullback-Leibler divergence is multiplied by the squared temperature, which keeps the size of
    its gradients, and divided by the number of logits rather than that of images.

    Args:
        temperature: divides both logits; above 0.
    """

    def __init__(
        self,
        teacher: str,
        weights: str = PRETRAINED,
        alpha: Share = 0.5,
        temperature: PositiveFloat = 1.0,
        two_heads: bool = False,
    ):
        super().__init__(teacher, weights, alpha, two_heads)
        self.temperature = temperature

    def divergence(self, logits: Tensor, wanted: Tensor) -> Tensor:
        student, teacher = (self._log_probabilities(x) for x in (logits, wanted))
        total = F.kl_div(student, teacher, log_target=True, reduction="sum")
        return total * self.temperature**2 / logits.numel()

    def _log_probabilities(self, logits: Tensor) -> Tensor:
        # Autocast on a CPU would leave these in bfloat16, and sums of thousands of them would be coarse.
        precision = torch.promote_types(logits.dtype, torch.float32)
        return F.log_softmax(logits / self.temperature, 1, dtype=precision)
