"""Knowledge distillation: a teacher beside the training, and what its logits add to the loss."""

from snnet_lightning.distillation.distillation import Distillation, HardDistillation, SoftDistillation
from snnet_lightning.distillation.in_place import InPlaceDistillation
from snnet_lightning.distillation.two_heads import train_two_heads

__all__ = ["Distillation", "HardDistillation", "InPlaceDistillation", "SoftDistillation", "train_two_heads"]
