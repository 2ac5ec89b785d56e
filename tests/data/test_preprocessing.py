"""What is taken from the anchors' timm configurations, and what has to be said."""

import pytest
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from snnet_lightning.data.anchor_preprocessing import preprocessing
from snnet_lightning.errors import InputError

DISAGREEING = ["resnet18", "swin_tiny_patch4_window7_224"]


def test_what_the_anchors_agree_on_is_taken():
    found = preprocessing(["deit_tiny_patch16_224", "deit_small_patch16_224"], {})
    assert found == {
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "interpolation": "bicubic",
        "crop_pct": 0.9,
    }


def test_anchors_that_disagree_are_named_with_what_to_say():
    with pytest.raises(InputError, match=r"data\.crop_pct must be said.*resnet18 wants 0\.95, swin\S* wants 0\.9$"):
        preprocessing(DISAGREEING, {"crop_pct": None})
    with pytest.raises(InputError, match=r"data\.mean must be said.*deit_tiny.* wants .*vit_tiny.* wants"):
        preprocessing(["deit_tiny_patch16_224", "vit_tiny_patch16_224"], {})


def test_what_is_said_comes_first():
    said = {"crop_pct": 0.8, "mean": (0.1, 0.2, 0.3), "interpolation": "nearest"}
    for anchors in (DISAGREEING, ["deit_tiny_patch16_224"]):
        assert preprocessing(anchors, said) == said | {"std": IMAGENET_DEFAULT_STD}
