"""From names to anchors, and what is refused on the way."""

import logging

import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.anchors.family import short_names
from snnet_lightning.errors import InputError

DIGITS = ["digits_tiny", "digits_base"]


def create(names=DIGITS, weights="checkpoint", kwargs=None, each=None, input_size=(1, 8, 8)):
    return create_anchors(names, input_size, 10, weights, kwargs, each)


def test_one_mapping_for_all_or_one_each():
    assert [a.depths for a in create(kwargs={"depth": 3})] == [(3,), (3,)]
    assert [a.depths for a in create(kwargs={"depth": 5}, each=[{"depth": 4}, {}])] == [(4,), (5,)]
    large = create(kwargs={"img_size": 16}, input_size=(3, 16, 16))
    assert [a(torch.zeros(2, 3, 16, 16)).shape for a in large] == [(2, 10), (2, 10)]


def test_random_weights_are_warned_of_and_pretrained_ones_are_not(caplog):
    with caplog.at_level(logging.WARNING, "snnet_lightning"):
        create(weights=["pretrained", "random"])
    (record,) = caplog.records
    assert "digits_base has random weights" in record.getMessage()


@pytest.mark.parametrize(
    ("timm_names", "short"),
    [
        (["deit_tiny_patch16_224", "deit_small_patch16_224.fb_in1k"], ["deit_tiny", "deit_small"]),
        (["resnet18", "resnet50.a1_in1k"], ["resnet18", "resnet50"]),
        (["vit_tiny_patch16_224", "vit_tiny_patch16_384"], ["vit_tiny_patch16_224", "vit_tiny_patch16_384"]),
        (["digits_tiny", "digits_tiny"], ["digits_tiny#0", "digits_tiny#1"]),
    ],
)
def test_short_names(timm_names, short):
    assert short_names(timm_names) == short


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"names": ["digits_tiny", "digits_bse"]}, "no model 'digits_bse'; did you mean digits_base"),
        ({"names": ["digits_tiny", "qqqqqqqqqqqqq"]}, r"no model 'qqqqqqqqqqqqq'; see timm.list_models\(\)"),
        (
            {"names": ["digits_tiny", "digits_base.nobody"]},
            "'digits_base' has no pretrained tag 'nobody'; it has sklearn",
        ),
        # Of the model, not of the weights in the package, which do not fit it either.
        ({"kwargs": {"depth": 0}}, "anchors.kwargs of digits_tiny: leaves a stage without blocks"),
        ({"kwargs": {"depth": 0}, "weights": "pretrained"}, "anchors.kwargs of digits_tiny: leaves a stage without"),
        ({"each": [{}, {}, {}]}, "anchors.kwargs_each has 3 entries for 2 anchors"),
        ({"weights": ["random"]}, "anchors.weights has 1 entries for 2 anchors"),
        ({"kwargs": {"dept": 3}}, "anchors.kwargs of digits_tiny: .*'dept'"),
        (
            {"kwargs": {"checkpoint_path": "x.pth"}},
            "anchors.kwargs.checkpoint_path: .*weights come from anchors.weights",
        ),
        ({"kwargs": {"num_heads": 3}}, "anchors.kwargs of digits_tiny: dim should be divisible by num_heads"),
        ({"weights": "no/such.pth"}, "no file 'no/such.pth'"),
    ],
)
def test_what_is_refused(arguments, says):
    with pytest.raises(InputError, match=says) as caught:
        create(**arguments)
    assert "\n" not in str(caught.value)


def test_an_unsupported_class_lists_the_families():
    with pytest.raises(InputError, match=r"visformer_tiny is a Visformer, which has no adapter.*ResNet.*VisionTransf"):
        create(["digits_tiny", "visformer_tiny"], input_size=(3, 224, 224))
