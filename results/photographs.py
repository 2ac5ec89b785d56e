"""Write crops of photographs as PNG files in class folders: ``python results/photographs.py FOLDER``.

A photograph is a class. 80 crops of its left part are to train on, 60 of its right part to validate on, so that none of
these shares a pixel with those. The photographs come with ``pip install scikit-image`` and scikit-learn.
"""

import random
import sys
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

SKIMAGE = [
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
    *("hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg"),
    "text.png",
]
PARTS = {"train": (80, 0, 0.58), "val": (60, 0.6, 1)}  # how many, from where to where across the photograph
SIDES = 0.18, 0.38  # of the shorter side of the photograph


def write(root: Path) -> None:
    """``root/train/PHOTOGRAPH/NUMBER.png`` and ``root/val/PHOTOGRAPH/NUMBER.png``, 72x72."""
    draw = random.Random(0)
    sklearn = sorted((_package("sklearn") / "datasets" / "images").glob("*.jpg"))
    for path in [*(_package("skimage") / "data" / name for name in SKIMAGE), *sklearn]:
        photograph = Image.open(path).convert("RGB")
        width, height = photograph.size
        for part, (crops, left, right) in PARTS.items():
            folder = root / part / path.stem
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(crops):
                side = min(draw.uniform(*SIDES) * min(width, height), (right - left) * width - 1)
                x, y = draw.uniform(left * width, right * width - side), draw.uniform(0, height - side)
                crop = photograph.crop((int(x), int(y), int(x + side), int(y + side)))
                crop.resize((72, 72), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.png")


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        sys.exit(f"error: the photographs of {name} are missing; pip install scikit-image scikit-learn")
    return Path(spec.origin).parent


if __name__ == "__main__":
    write(Path(sys.argv[1]))
