"""Teachers: a timm model beside the network, and an anchor of the network itself."""

from copy import deepcopy

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from snnet_lightning.anchors.create import create_anchor
from snnet_lightning.description import AnchorDescription
from snnet_lightning.distillation import HardDistillation, SoftDistillation
from snnet_lightning.distillation.teacher import AnchorTeacher, ExternalTeacher
from snnet_lightning.errors import InputError

SIZE = (1, 8, 8)


def anchor(name="digits_tiny", input_size=SIZE, num_classes=10):
    torch.manual_seed(0)
    return create_anchor(AnchorDescription(name=name, alias=name), input_size, num_classes, None)


def images(*size, count=6):
    return torch.randn(count, *(size or SIZE), generator=torch.Generator().manual_seed(1))


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_same(found, expected):
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


# --- a timm model ------------------------------------------------------------------------------------------


def test_gives_the_logits_of_the_timm_model_without_gradient():
    found = ExternalTeacher("digits_base", "pretrained", anchor())(images().requires_grad_())
    assert torch.equal(found, timm.create_model("digits_base", pretrained=True).eval()(images()))
    assert not found.requires_grad


def test_is_frozen_and_in_eval_mode():
    teacher = ExternalTeacher("digits_base", "pretrained", anchor().train())
    assert not any(module.training for module in teacher.model.modules())
    assert not any(p.requires_grad for p in teacher.model.parameters())


def test_has_the_precision_of_the_anchor():
    teacher = ExternalTeacher("digits_base", "pretrained", anchor().double())
    assert teacher(images().double()).dtype == torch.float64


def test_weights_from_a_local_file(tmp_path):
    torch.manual_seed(5)
    trained = timm.create_model("digits_small").eval()
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    teacher = ExternalTeacher("digits_small", str(tmp_path / "w.safetensors"), anchor())
    assert torch.equal(teacher(images()), trained(images()))


def test_a_model_fixed_to_another_image_size_is_made_for_the_anchors(tmp_path):
    trained, given = timm.create_model("digits_base", img_size=16).eval(), images(1, 16, 16)
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    teacher = ExternalTeacher("digits_base", str(tmp_path / "w.pth"), anchor(input_size=(1, 16, 16)))
    assert torch.equal(teacher(given), trained(given))


def test_images_are_normalised_as_the_teacher_is_used_to():
    """Pixels in 0..1, by the anchors' statistics for the anchors, by its own for the teacher's model."""
    largest = anchor("test_resnet", (3, 32, 32))
    mean, std = torch.tensor([0.1, 0.2, 0.3]).view(-1, 1, 1), torch.tensor([0.5, 0.6, 0.7]).view(-1, 1, 1)
    pixels = torch.rand(4, 3, 32, 32)
    largest.model.pretrained_cfg = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)}
    teacher = ExternalTeacher("test_resnet", "random", largest)
    own_mean, own_std = (torch.tensor(teacher.model.pretrained_cfg[key]).view(-1, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        expected = teacher.model((pixels - own_mean) / own_std)
        assert not torch.allclose(teacher.model((pixels - mean) / std), expected, atol=1e-3)
    torch.testing.assert_close(teacher((pixels - mean) / std), expected)


@pytest.mark.parametrize("mean", [None, (0.1,) * 4, "the teacher's"])
def test_images_stay_as_they_are_where_statistics_are_the_same_or_say_nothing(mean):
    largest, given = anchor("test_resnet", (3, 32, 32)), images(3, 32, 32)
    if mean != "the teacher's":
        largest.model.pretrained_cfg = largest.model.pretrained_cfg | {"mean": mean}
    assert ExternalTeacher("test_resnet", "random", largest).renormalise(given) is given


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("digits_base", "pretrained", {"num_classes": 7}),
            "distillation.teacher=digits_base: its pretrained weights are for 10 classes, but the anchors have 7",
        ),
        (("digits_base", "no/such.pth", {}), "distillation.weights: no file 'no/such.pth'"),
        (("digits_base", "checkpoint", {}), "distillation.weights: no file 'checkpoint'"),
    ],
)
def test_what_is_refused(arguments, says):
    name, weights, options = arguments
    with pytest.raises(InputError) as caught:
        ExternalTeacher(name, weights, anchor(**options))
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_file_of_other_classes_names_both_numbers(tmp_path):
    torch.save(timm.create_model("digits_small", num_classes=12).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"head.weight is \(12, 32\), not \(10, 32\)"):
        ExternalTeacher("digits_small", str(tmp_path / "w.pth"), anchor())


def test_pretrained_weights_that_cannot_be_had(monkeypatch):
    def fail(*arguments, pretrained, **options):
        raise OSError("We couldn't connect\nto the hub\nand so on")

    largest = anchor()
    monkeypatch.setattr("snnet_lightning.anchors.timm_model.timm.create_model", fail)
    with pytest.raises(InputError, match=r"digits_base: its pretrained weights could not be had.*connect to the hub"):
        ExternalTeacher("digits_base", "pretrained", largest)


# --- an anchor of the network itself -----------------------------------------------------------------------


@pytest.fixture
def normed():
    """An anchor with BatchNorm, of which one stage is in eval mode while the rest is trained."""
    largest = anchor("test_resnet", (3, 32, 32)).train()
    largest.model.layer2.eval()
    return largest


def modes(module):
    return [part.training for part in module.modules()]


def test_an_anchor_teaches_in_eval_mode_and_is_as_before_afterwards(normed):
    given, before, trained = images(3, 32, 32), state(normed), modes(normed)
    found = AnchorTeacher(normed)(given)
    assert_same(state(normed), before)
    assert modes(normed) == trained
    assert len(set(trained)) == 2
    assert torch.equal(found, normed.eval()(given))
    assert not found.requires_grad


def test_the_modes_of_an_anchor_come_back_after_an_error(normed):
    trained = modes(normed)
    with pytest.raises(RuntimeError):
        AnchorTeacher(normed)(images(5, 32, 32))
    assert modes(normed) == trained


def test_the_largest_anchor_teaches(digits_net):
    distillation = HardDistillation("anchor")
    distillation.start(digits_net)
    assert torch.equal(distillation.teacher(images()), digits_net.anchors[-1](images()))


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_no_gradient_reaches_an_anchor_through_what_it_teaches(normed, mode):
    """The gradient of the student's logits by its formula, with the teacher's logits as constants."""
    given, classes, share, temperature = images(3, 32, 32), torch.tensor([0, 1, 2, 3, 4, 5]), 0.3, 2.0
    logits = normed(given)
    taught = deepcopy(normed).eval()(given).detach()  # after the student's pass, which moves BatchNorm's statistics
    student, wanted = logits.detach().softmax(1), torch.eye(10)
    if mode == "hard":
        distillation = HardDistillation("anchor", alpha=share)
        pull = (student - wanted[taught.argmax(1)]) / 6
    else:
        distillation = SoftDistillation("anchor", alpha=share, temperature=temperature)
        pull = temperature * ((logits.detach() / temperature).softmax(1) - (taught / temperature).softmax(1)) / 60
    hand = (1 - share) * (student - wanted[classes]) / 6 + share * pull
    parameters = list(normed.parameters())
    expected = torch.autograd.grad(logits, parameters, hand, retain_graph=True)
    distillation.teacher = AnchorTeacher(normed)
    loss = distillation(F.cross_entropy(logits, classes), logits, given, stitch=None)
    for found, gradient in zip(torch.autograd.grad(loss, parameters), expected, strict=True):
        torch.testing.assert_close(found, gradient, rtol=1e-4, atol=1e-6)
