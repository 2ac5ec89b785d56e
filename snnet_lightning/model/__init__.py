"""The LightningModule."""

from snnet_lightning.model.snnet_module import SNNetModule

__all__ = ["SNNetModule"]
