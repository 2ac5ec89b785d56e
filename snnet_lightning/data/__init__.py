"""DataModules."""

from snnet_lightning.data.digits import DigitsDataModule

__all__ = ["DigitsDataModule"]
