"""The simple random crop of DeiT III: resized by the shorter side, then moved by up to 4 reflected pixels."""

import numpy as np
import torch
from PIL import Image

from snnet_lightning.data import ImageDataModule

SIZE = 32


def data(root, **augmentation):
    options = {"mean": [0.5], "std": [0.5], "crop_pct": 1.0, "interpolation": "bicubic"}
    plain = {"hflip": 0.0, "color_jitter": None}
    return ImageDataModule(
        str(root), (3, SIZE, SIZE), ["resnet18"], batch_size=2, num_workers=0, **options,
        augmentation={"train_crop_mode": "src", **plain, **augmentation},
    )  # fmt: skip


def test_a_window_moves_over_the_padded_image(imagenet_tree):
    transform = data(imagenet_tree)._transform(training=True)
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, 2 * SIZE, 3), dtype=np.uint8)
    padded = np.pad(picture, ((4, 4), (4, 4), (0, 0)), mode="reflect")
    windows = {
        padded[top : top + SIZE, left : left + SIZE].tobytes(): (top, left)
        for top in range(9)
        for left in range(SIZE + 9)
    }
    torch.manual_seed(0)
    seen = [windows[transform(Image.fromarray(picture)).permute(1, 2, 0).numpy().tobytes()] for _ in range(200)]
    tops, lefts = map(set, zip(*seen, strict=True))
    assert tops == set(range(9))
    assert max(lefts) > SIZE


def test_other_sizes_come_by_the_shorter_side(imagenet_tree):
    transform = data(imagenet_tree)._transform(training=True)
    flat = Image.new("RGB", (100, 50), (10, 20, 30))
    out = transform(flat)
    assert out.shape == (3, SIZE, SIZE)
    assert out.reshape(3, -1).unique(dim=1).flatten().tolist() == [10, 20, 30]


def test_the_other_augmentations_stay(imagenet_tree):
    kinds = [
        type(t).__name__ for t in data(imagenet_tree, auto_augment="3a", color_jitter=0.3)._transform(True).transforms
    ]
    assert kinds == ["Resize", "RandomCrop", "AutoAugment", "ColorJitter", "MaybePILToTensor"]
    evaluated = [type(t).__name__ for t in data(imagenet_tree)._transform(False).transforms]
    assert "RandomCrop" not in evaluated


def test_erasing_leaves_the_first_half_alone_and_training_has_an_interpolation_of_its_own(imagenet_tree):
    module = data(imagenet_tree, train_crop_mode="rrc", interpolation="random")
    crop = module._transform(training=True).transforms[0]
    assert len(crop.interpolation) > 1
    assert module.preprocessing["interpolation"] == "bicubic"
    options = {
        "mean": [0.5],
        "std": [0.5],
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "augmentation": {"no_aug": True},
    }
    erased, whole = (
        ImageDataModule(
            str(imagenet_tree), (3, SIZE, SIZE), ["resnet18"], batch_size=8, num_workers=0, **options,
            erasing=erasing,
        )
        for erasing in ({"probability": 1.0, "mode": "pixel", "num_splits": 2}, None)
    )  # fmt: skip
    batches = []
    for module in (erased, whole):
        module.setup()
        batches.append(module.on_after_batch_transfer(next(iter(module.train_dataloader())), 0)[0])
    same = [torch.equal(one, other) for one, other in zip(*batches, strict=True)]
    assert same == [True] * 4 + [False] * 4
