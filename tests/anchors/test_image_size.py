"""Image sizes that a model does not take are refused when the anchor is made, and only those."""

import pytest
import timm
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.anchors.create import create_anchor
from snnet_lightning.description import AnchorDescription
from snnet_lightning.errors import InputError

VIT = {"embed_dim": 32, "depth": 2, "num_heads": 2}
SWIN = {"window_size": 2, "embed_dim": 16, "depths": (2, 2), "num_heads": (1, 2)}


def make(name, size, kwargs, weights=None):
    described = AnchorDescription(name=name, alias=name, kwargs=kwargs)
    return create_anchor(described, (3, *size), 5, weights).eval()


LEFT_OUT = {  # what timm runs all the same: name -> (height and width, what would divide them, keyword arguments)
    "deit_tiny_patch16_224": ((225, 225), 16, VIT),
    "deit3_small_patch16_224": ((224, 230), 16, VIT),
    "eva02_tiny_patch14_224": ((60, 56), 14, VIT),
    "swin_tiny_patch4_window7_224": ((225, 225), 4, SWIN),
    "swinv2_cr_tiny_ns_224": ((66, 64), 4, SWIN),
    "mixer_s32_224": ((70, 64), 32, {}),
    "volo_d1_224": ((68, 64), 8, {}),
}


@pytest.mark.parametrize("name", LEFT_OUT)
@torch.no_grad()
def test_pixels_that_would_be_left_out(name):
    size, patch, kwargs = LEFT_OUT[name]
    model = timm.create_model(name, img_size=size, num_classes=5, **kwargs).eval()
    images = torch.randn(1, 3, *size)
    whole = torch.zeros_like(images)  # nothing but what whole patches cover
    covered = [pixels // patch * patch for pixels in size]
    whole[..., : covered[0], : covered[1]] = images[..., : covered[0], : covered[1]]
    if name != "volo_d1_224":  # its convolutions look across patches
        assert torch.equal(model(images), model(whole))
    with pytest.raises(InputError) as caught:
        make(name, size, kwargs)
    assert str(caught.value) == (
        f"anchors.input_size=[3,{size[0]},{size[1]}]: {name} cuts images into patches of {patch}x{patch} pixels; "
        "give multiples of these"
    )


@pytest.mark.parametrize(
    ("name", "size", "kwargs", "says"),
    [
        ("twins_pcpvt_small", 65, {}, r"should be divided by patch_size"),
        ("xcit_nano_12_p16_224", 65, {}, r"`patch_size` should divide image dimensions"),
        ("test_vit", 161, {}, r"Input height \(161\) should be divisible by patch size \(16\)"),
        ("deit_tiny_patch16_224", 65, {**VIT, "dynamic_img_size": True}, "should be divisible"),
        ("deit_tiny_patch16_224", 224, {**VIT, "img_size": 64}, r"Input height \(224\) doesn't match model \(64\)"),
        ("levit_128s", 65, {}, "does not run such images"),
        ("dla46_c", 65, {}, "does not run such images"),
        ("mvitv2_tiny", 65, {}, "does not run such images"),
    ],
)
def test_sizes_that_a_model_does_not_run(name, size, kwargs, says):
    with pytest.raises(InputError, match=rf"^anchors\.input_size=\[3,{size},{size}\]: {name}.*{says}") as caught:
        make(name, (size, size), kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "size", "kwargs"),
    [
        ("resnet10t", (65, 71), {}),
        ("test_convnext", (65, 71), {}),
        ("swin_tiny_patch4_window7_224", (68, 76), SWIN),  # 17 x 19 patches, which it pads to merge them
        ("deit_tiny_patch16_224", (48, 80), VIT),
    ],
)
@torch.no_grad()
def test_sizes_that_a_model_takes(name, size, kwargs):
    anchor, images = make(name, size, kwargs), torch.randn(1, 3, *size)
    assert torch.equal(anchor(images), anchor.model(images))


def test_the_size_is_refused_before_weights_are_asked_for():
    with pytest.raises(InputError, match=r"^anchors.input_size=\[3,225,225\]: deit_tiny\S* cuts"):
        make("deit_tiny_patch16_224", (225, 225), {}, "pretrained")


def test_anchors_know_what_they_were_made_of():
    each = [{"depth": 2}, {}]
    small, large = create_anchors(["digits_tiny.sklearn", "digits_base"], (1, 8, 8), 10, "random", {"depth": 3}, each)
    told = [anchor.described for anchor in (small, large)]
    assert told[0] == AnchorDescription(name="digits_tiny.sklearn", alias="digits_tiny", kwargs={"depth": 2})
    assert told[1] == AnchorDescription(name="digits_base", alias="digits_base", kwargs={"depth": 3})
    again = create_anchor(small.described, small.input_size, small.num_classes, None)
    again.load_state_dict(small.state_dict())
    images = torch.randn(2, 1, 8, 8)
    assert torch.equal(again.eval()(images), small.eval()(images))
