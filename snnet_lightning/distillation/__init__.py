"""Knowledge distillation: a teacher beside the training, and what its logits add to the loss."""

from snnet_lightning.distillation.distillation import Distillation, HardDistillation, SoftDistillation

__all__ = ["Distillation", "HardDistillation", "SoftDistillation"]
