"""Knowledge distillation: a teacher beside the training, and what its logits add to the loss."""

from snnet_lightning.distillation.distillation import Distillation, HardDistillation, SoftDistillation
from snnet_lightning.distillation.in_place import InPlaceDistillation

__all__ = ["Distillation", "HardDistillation", "InPlaceDistillation", "SoftDistillation"]
