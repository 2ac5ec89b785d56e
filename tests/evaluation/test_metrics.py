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


def without_float64(x):
    """What moving to a device does that has no float64, as Apple's MPS."""
    if x.dtype == torch.float64:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
    return x.clone()


def test_metrics_move_with_a_network_to_a_device_without_float64(logits, target):
    network = torch.nn.ModuleList([torch.nn.Linear(2, 2), StitchMetrics(STITCHES)])
    feed(network[1], logits[:, :30], target[:30], 16)
    network._apply(without_float64)
    feed(network[1], logits[:, 30:], target[30:], 16)
    assert_right(network[1], logits, target)
    network[1].reset()
    network._apply(without_float64)
    feed(network[1], logits, target, 50)
    assert_right(network[1], logits, target)


@pytest.mark.parametrize("move", ["bfloat16", "half", "double", "cpu"])
def test_losses_stay_in_float64_whatever_the_networks_precision(logits, target, move):
    network = torch.nn.ModuleList([torch.nn.Linear(2, 2), StitchMetrics(STITCHES)])
    feed(network[1], logits[:, :30], target[:30], 16)
    network.to({"bfloat16": torch.bfloat16, "half": torch.half, "double": torch.double}.get(move, move))
    getattr(network, move)()
    feed(network[1], logits[:, 30:], target[30:], 16)
    assert network[1].loss.dtype == torch.float64
    assert_right(network[1], logits, target)


def test_a_state_is_taken_whole_or_not_at_all(logits, target):
    metrics, other = fed(logits[:, :30], target[:30], 16), fed(logits[:, 30:], target[30:], 16)
    state = {name: value.clone() for name, value in metrics.metric_state.items()}
    for wrong in (state | {"more": state["loss"]}, state | {"loss": state["loss"].float()}, {"loss": state["loss"]}):
        with pytest.raises(ValueError, match="not the state of metrics of 3 stitches"):
            other.load_state(wrong)
    assert_right(other, logits[:, 30:], target[30:])
    other.load_state(state)
    feed(other, logits[:, 30:], target[30:], 16)
    assert_right(other, logits, target)
