"""The digits as a small ImageNet: real JPEG files in class folders, to try the whole path from file to step."""

from pathlib import Path
from shutil import rmtree

from PIL import Image
from sklearn.datasets import load_digits

from snnet_lightning.data.digits import CLASS_NAMES
from snnet_lightning.data.image_datamodule import ImageDataModule
from snnet_lightning.errors import InputError

SIZE = 64  # pixels of a side
IMAGES = {"train": 160, "val": 40}  # of every split


def write_jpeg_digits(root: Path) -> None:
    """Write ``root/train`` and ``root/val`` with ten class folders each, unless they are there.

    Raises:
        InputError: there is something else.
    """
    if root.is_dir():
        if any(not (root / split / name).is_dir() for split in IMAGES for name in CLASS_NAMES):
            raise InputError(f"data.root={root}: holds no JPEG digits; data=imagefolder serves other images")
        return
    images, classes = load_digits(return_X_y=True)
    unfinished = root.with_name(f"{root.name}.tmp")
    first = 0
    try:
        for split, count in IMAGES.items():
            for index in range(first, first + count):
                folder = unfinished / split / CLASS_NAMES[classes[index]]
                folder.mkdir(parents=True, exist_ok=True)
                grey = (images[index].reshape(8, 8) * 255 / 16).astype("uint8")
                Image.fromarray(grey).resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(folder / f"{index:04d}.jpg")
            first += count
        unfinished.rename(root)
    except BaseException:
        rmtree(unfinished, ignore_errors=True)
        raise


class JpegDigitsDataModule(ImageDataModule):
    """An ``ImageDataModule`` that makes its images itself; arguments as there."""

    num_classes = len(CLASS_NAMES)
    class_names = CLASS_NAMES

    def prepare_data(self) -> None:
        write_jpeg_digits(Path(self.root))
