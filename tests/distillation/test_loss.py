"""The loss of both modes against plain loops over a few logits, and what is refused."""

import math
from types import SimpleNamespace

import pytest
import torch

from snnet_lightning.distillation import HardDistillation, InPlaceDistillation, SoftDistillation
from snnet_lightning.errors import InputError
from snnet_lightning.stitch import PairedRule

STUDENT = [[0.3, -1.2, 2.0], [1.5, 0.1, -0.4], [-2.0, 0.0, 0.7], [0.0, 3.0, 1.0]]
TEACHER = [[4.0, 1.0, -1.0], [0.2, -0.3, 0.6], [-1.0, 0.5, 0.4], [2.0, 2.5, -3.0]]
BASE = 1.7
SMALL, *_, LARGE = PairedRule()(["small", "large"], [(2,), (2,)]).anchors


def log_probabilities(row, temperature=1.0):
    total = math.log(sum(math.exp(x / temperature) for x in row))
    return [x / temperature - total for x in row]


def hard_by_hand(alpha):
    losses = [-log_probabilities(s)[t.index(max(t))] for s, t in zip(STUDENT, TEACHER, strict=True)]
    return (1 - alpha) * BASE + alpha * sum(losses) / len(losses)


def soft_by_hand(alpha, temperature):
    total = 0.0
    for s, t in zip(STUDENT, TEACHER, strict=True):
        for q, p in zip(log_probabilities(s, temperature), log_probabilities(t, temperature), strict=True):
            total += math.exp(p) * (p - q)
    return (1 - alpha) * BASE + alpha * total * temperature**2 / 12


def loss_of(distillation, dtype=torch.float64):
    """With a teacher that gives TEACHER for the images it should get."""
    images = torch.rand(4, 1, 2, 2)
    distillation.teacher = {images: torch.tensor(TEACHER, dtype=dtype)}.__getitem__
    return distillation(torch.tensor(BASE), torch.tensor(STUDENT, dtype=dtype), images, SMALL)


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
def test_hard(alpha):
    loss = loss_of(HardDistillation("digits_base", alpha=alpha))
    assert loss.item() == pytest.approx(hard_by_hand(alpha), rel=1e-6)


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
@pytest.mark.parametrize("temperature", [0.5, 1, 3])
def test_soft(alpha, temperature):
    loss = loss_of(SoftDistillation("digits_base", alpha=alpha, temperature=temperature))
    assert loss.item() == pytest.approx(soft_by_hand(alpha, temperature), rel=1e-6)


def in_place():
    distillation = InPlaceDistillation()
    distillation.start(SimpleNamespace(space=PairedRule()(["small", "large"], [(2,), (2,)])))
    return distillation


def test_in_place_the_others_learn_from_the_largest_alone():
    distillation, images = in_place(), torch.rand(4, 1, 2, 2)
    teacher, student = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (TEACHER, STUDENT))
    base = teacher.sum()
    assert distillation(base, teacher, images, LARGE) is base
    loss = distillation(student.sum(), student, images, SMALL)
    expected = -sum(
        math.exp(p) * q
        for s, t in zip(STUDENT, TEACHER, strict=True)
        for q, p in zip(log_probabilities(s), log_probabilities(t), strict=True)
    )
    assert loss.item() == pytest.approx(expected / 4, rel=1e-6)
    loss.backward()
    assert teacher.grad is None
    torch.testing.assert_close(
        student.grad, (student.softmax(1) - teacher.softmax(1)).detach() / 4, atol=1e-7, rtol=1e-5
    )


def test_soft_sums_probabilities_in_float32_whatever_the_logits_have():
    """Autocast on a CPU hands bfloat16 on: these logits and half of them are exact in it, their logarithms are not."""
    logits = torch.randint(-8, 9, (2, 64, 100), generator=torch.Generator().manual_seed(0)) / 4
    distillation = SoftDistillation("digits_base", temperature=2)
    exact, found = (distillation.divergence(*logits.to(dtype)) for dtype in (torch.float64, torch.bfloat16))
    assert found.item() == pytest.approx(exact.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: HardDistillation("digits_bse"),
            "distillation.teacher: timm has no model 'digits_bse'; did you mean digits_base",
        ),
        (
            lambda: HardDistillation("digits_base.nobody"),
            "distillation.teacher: timm's 'digits_base' has no pretrained tag 'nobody'; it has sklearn",
        ),
    ],
)
def test_what_is_refused(make, says):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
