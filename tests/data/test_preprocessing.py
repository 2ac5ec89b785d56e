"""What is taken from the anchors' timm configurations, and what has to be said."""

import pytest
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.data.loader import adapt_to_chs

from snnet_lightning.anchors.digits import MEAN
from snnet_lightning.data.anchor_preprocessing import preprocessing
from snnet_lightning.errors import InputError

DISAGREEING = ["resnet18", "swin_tiny_patch4_window7_224"]


def test_what_the_anchors_agree_on_is_taken():
    found = preprocessing(["deit_tiny_patch16_224", "deit_small_patch16_224"], {})
    assert found == {
        "mean": list(IMAGENET_DEFAULT_MEAN),
        "std": list(IMAGENET_DEFAULT_STD),
        "interpolation": "bicubic",
        "crop_pct": 0.9,
    }


def test_anchors_that_disagree_are_named_with_what_to_say():
    says = r"data\.crop_pct must be said.*resnet18 wants data\.crop_pct=0\.95, swin\S* wants data\.crop_pct=0\.9$"
    with pytest.raises(InputError, match=says):
        preprocessing(DISAGREEING, {"crop_pct": None})


def test_all_that_has_to_be_said_is_told_at_once_as_it_is_typed():
    with pytest.raises(InputError) as found:
        preprocessing(["deit_tiny_patch16_224", "vit_tiny_patch16_224"], {})
    assert str(found.value) == (
        "data.mean and data.std must be said, since the anchors disagree: "
        "deit_tiny_patch16_224 wants data.mean=[0.485,0.456,0.406] data.std=[0.229,0.224,0.225], "
        "vit_tiny_patch16_224 wants data.mean=[0.5,0.5,0.5] data.std=[0.5,0.5,0.5]"
    )


def test_anchors_that_disagree_on_images_of_another_size_get_timms_defaults():
    found = preprocessing(DISAGREEING, {}, (3, 64, 64))
    assert (found["crop_pct"], found["interpolation"]) == (0.875, "bicubic")
    agreed = preprocessing(["deit_tiny_patch16_224", "deit_small_patch16_224"], {}, (3, 64, 64))
    assert agreed["crop_pct"] == 0.9
    some = preprocessing(["tf_efficientnet_lite0", "tf_efficientnet_lite1"], {}, (3, 224, 224))  # of 224 and 240
    assert some["crop_pct"] == 0.875
    with pytest.raises(InputError, match=r"data\.mean and data\.std must be said"):
        preprocessing(["deit_tiny_patch16_224", "vit_tiny_patch16_224"], {}, (3, 64, 64))


def test_what_is_said_comes_first():
    said = {"crop_pct": 0.8, "mean": [0.1, 0.2, 0.3], "interpolation": "nearest"}
    for anchors in (DISAGREEING, ["deit_tiny_patch16_224"]):
        assert preprocessing(anchors, said) == said | {"std": list(IMAGENET_DEFAULT_STD)}


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_than_the_anchors_get_what_timms_loaders_give_them(channels):
    found = preprocessing(["deit_tiny_patch16_224"], {}, (channels, 224, 224))
    for key, own in (("mean", IMAGENET_DEFAULT_MEAN), ("std", IMAGENET_DEFAULT_STD)):
        assert found[key] == pytest.approx(adapt_to_chs(own, channels))
        assert len(found[key]) == channels
    assert preprocessing(["digits_tiny"], {}, (3, 8, 8))["mean"] == [MEAN] * 3


def test_what_is_said_is_for_every_channel_or_for_each():
    anchors = ["deit_tiny_patch16_224"]
    assert preprocessing(anchors, {"mean": [0.5]}, (4, 224, 224))["mean"] == [0.5] * 4
    assert preprocessing(anchors, {"std": [0.1, 0.2, 0.3, 0.4]}, (4, 224, 224))["std"] == [0.1, 0.2, 0.3, 0.4]
    with pytest.raises(InputError, match=r"^data\.std=\[0\.1, 0\.2, 0\.3\]: must be one value, or 4, the channels of"):
        preprocessing(anchors, {"std": (0.1, 0.2, 0.3)}, (4, 224, 224))
    with pytest.raises(InputError, match=r"^data\.mean=\[\]: must be one value, or 3"):
        preprocessing(anchors, {"mean": []}, (3, 224, 224))
