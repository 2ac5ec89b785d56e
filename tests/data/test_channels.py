"""Grey images and images of four channels, from files to logits."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

from snnet_lightning.anchors import create_anchors
from snnet_lightning.data import ImageDataModule
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.seeding import seed_generators
from snnet_lightning.stitch import PairedRule

ANCHORS = ["deit_tiny_patch16_224", "deit_small_patch16_224"]
PUBLISHED = {
    "augmentation": {"auto_augment": "rand-m9-mstd0.5-inc1"},
    "erasing": {"probability": 0.5, "mode": "pixel"},
    "mixup": {"mixup_alpha": 0.8, "cutmix_alpha": 1.0},
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two classes of four images with an alpha channel of its own, as PNG files."""
    root, generator = tmp_path_factory.mktemp("rgba"), np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            (root / split / name).mkdir(parents=True)
            for index in range(4):
                coarse = Image.fromarray(generator.integers(0, 256, (6, 6, 4), dtype=np.uint8), "RGBA")
                bands = [band.resize((48, 40), Image.Resampling.BICUBIC) for band in coarse.split()]
                Image.merge("RGBA", bands).save(root / split / name / f"{index}.png")
    return root


def make(root, channels, **options):
    defaults = {"input_size": (channels, 32, 32), "anchors": ANCHORS, "batch_size": 4, "num_workers": 0}
    return ImageDataModule(str(root), **defaults | options)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_from_files_to_logits(tree, channels, make_trainer):
    torch.manual_seed(0)
    widths = [{"embed_dim": 16, "num_heads": 2}, {"embed_dim": 32, "num_heads": 2}]
    anchors = create_anchors(ANCHORS, (channels, 32, 32), 2, "random", {"depth": 2, "patch_size": 8}, widths)
    module = SNNetModule(SNNet(anchors, PairedRule()), UniformSampler(seed=3), OptimizerRecipe("adamw", lr=1e-3))
    data = make(tree, channels, **PUBLISHED)
    trainer = make_trainer(max_epochs=2)
    trainer.fit(module, datamodule=data)
    trainer.test(module, datamodule=data, verbose=False)
    assert {score.images for score in module.scores} == {8}
    assert all(np.isfinite(score.loss) for score in module.scores)


@pytest.mark.parametrize(("channels", "modes"), [(1, ["L"]), (3, ["RGB"]), (4, ["RGB", "A"])])
def test_evaluation_images_are_those_of_timms_own_transform(tree, channels, modes):
    data = make(tree, channels)
    data.setup()
    (batch,) = [data.on_after_batch_transfer(batch, 0)[0] for batch in data.test_dataloader()][:1]
    options = {"interpolation": "bicubic", "crop_pct": 0.9, "mean": (0.0,), "std": (1.0,)}
    transform = create_transform((channels, 32, 32), use_prefetcher=False, **options)
    mean, std = (torch.tensor(data.preprocessing[key]).view(-1, 1, 1) for key in ("mean", "std"))
    assert len(mean) == len(std) == channels
    for image, file in zip(batch, sorted((tree / "val" / "ant").iterdir()), strict=True):
        opened = Image.open(file)
        parts = [opened.getchannel("A") if mode == "A" else opened.convert(mode) for mode in modes]
        expected = torch.cat([transform(part) for part in parts])
        torch.testing.assert_close(image * std + mean, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "augmentation",
    [
        {"auto_augment": "rand-m9-mstd0.5-inc1"},
        {"auto_augment": "original-mstd0.5"},
        {"auto_augment": "augmix-m3-w3"},
        {"auto_augment": "3a", "color_jitter": 0.3},
        {"auto_augment": None, "color_jitter": 0.4, "grayscale_prob": 0.3, "gaussian_blur_prob": 0.3},
    ],
    ids=lambda options: options["auto_augment"] or "jitter",
)
def test_the_fourth_channel_is_augmented_by_the_same_draws(tmp_path, augmentation):
    """Four equal channels stay equal, whatever is done to them, and different seeds do different things."""
    picture = Image.effect_mandelbrot((60, 50), (-2, -1.2, 1, 1.2), 50).convert("L")
    for split in ("train", "val"):
        (tmp_path / split / "only").mkdir(parents=True)
        Image.merge("RGBA", [picture] * 4).save(tmp_path / split / "only" / "0.png")
    data = make(tmp_path, 4, batch_size=1, mean=[0.5], std=[0.5], augmentation=augmentation)
    data.setup()
    seen = set()
    for seed in range(40):
        seed_generators(seed)
        image = data.train_set.images.transform(Image.merge("RGBA", [picture] * 4))
        assert (image.shape, image.dtype) == ((4, 32, 32), torch.uint8)
        assert (image[3:].int() - image[:3].int()).abs().max() <= 1  # grey of three channels is rounded
        seen.add(image.numpy().tobytes())
        after = random.random()
        seed_generators(seed)
        data.train_set.images.transform(Image.merge("RGBA", [picture] * 4))
        assert random.random() == after  # what follows depends on the seed alone
    assert len(seen) > 30


@pytest.mark.parametrize("channels", [0, 2, 5])
def test_files_have_no_other_number_of_channels(tree, channels):
    with pytest.raises(
        InputError, match=rf"^anchors\.input_size=\[{channels}, 32, 32\]: images have 1, 3 or 4 channels"
    ):
        make(tree, channels)
