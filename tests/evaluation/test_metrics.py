"""Metrics of many stitches against torchmetrics' and torch's own functions on all images at once."""

import math

import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional.classification import multiclass_accuracy

from snnet_lightning.evaluation.metrics import StitchMetrics

IMAGES, CLASSES, STITCHES = 101, 7, 3


@pytest.fixture
def logits():
    return torch.randn(STITCHES, IMAGES, CLASSES, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def target():
    return torch.randint(CLASSES, (IMAGES,), generator=torch.Generator().manual_seed(1))


def fed(logits, target, batch):
    metrics = StitchMetrics(STITCHES)
    feed(metrics, logits, target, batch)
    return metrics


def feed(metrics, logits, target, batch):
    for start in range(0, len(target), batch):
        part = slice(start, start + batch)
        for stitch in reversed(range(STITCHES)):  # the order does not matter
            metrics.update(stitch, logits[stitch, part], target[part])


def assert_right(metrics, logits, target):
    for score, own in zip(metrics.scores(), logits, strict=True):
        for k, value in ((1, score.acc1), (5, score.acc5)):
            expected = multiclass_accuracy(own, target, CLASSES, average="micro", top_k=k)
            assert value == pytest.approx(100 * expected.item(), rel=1e-6)
        assert score.loss == pytest.approx(F.cross_entropy(own.double(), target).item(), rel=1e-6)
        assert score.images == len(target)


@pytest.mark.parametrize("batch", [1, 13, 64, IMAGES])
def test_equals_the_metrics_of_all_images_at_once(logits, target, batch):
    assert_right(fed(logits, target, batch), logits, target)


def test_processes_with_unequal_shares_are_summed(logits, target):
    first, second = fed(logits[:, :30], target[:30], 16), fed(logits[:, 30:], target[30:], 16)
    states = [first.metric_state, second.metric_state]
    names = iter(list(states[0]))

    def gather(state, group):
        name = next(names)
        assert state is states[0][name]
        return [of_rank[name] for of_rank in states]

    first.dist_sync_fn, first.distributed_available_fn = gather, lambda: True
    assert_right(first, logits, target)


def test_reset_forgets(logits, target):
    metrics = fed(logits.flip(0), target, 50)
    metrics.reset()
    feed(metrics, logits, target, 50)
    assert_right(metrics, logits, target)


def test_fewer_classes_than_five():
    metrics = StitchMetrics(1)
    metrics.update(0, torch.eye(3), torch.tensor([0, 1, 0]))
    (score,) = metrics.scores()
    assert (score.acc1, score.acc5) == (pytest.approx(200 / 3), 100)


def test_a_stitch_without_images_has_no_accuracy(logits, target):
    metrics = StitchMetrics(2)
    metrics.update(0, logits[0], target)
    scores = metrics.scores()
    assert scores[1].images == 0
    assert math.isnan(scores[1].acc1)
    assert not math.isnan(scores[0].acc1)
