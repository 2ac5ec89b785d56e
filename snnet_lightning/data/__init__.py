"""DataModules."""

from snnet_lightning.data.digits import DigitsDataModule
from snnet_lightning.data.image_datamodule import ImageDataModule
from snnet_lightning.data.jpeg_digits import JpegDigitsDataModule

__all__ = ["DigitsDataModule", "ImageDataModule", "JpegDigitsDataModule"]

KINDS = (DigitsDataModule, ImageDataModule, JpegDigitsDataModule)  # those that a checkpoint may say it was trained on
