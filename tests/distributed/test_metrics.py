"""Accuracies and losses over two processes are those of every image once, counted by hand in one process."""

import pytest
import torch
import torch.nn.functional as F

from snnet_lightning.data.order import Draw
from snnet_lightning.model import SNNetModule
from snnet_lightning.sampler import UniformSampler


@pytest.fixture(scope="module")
def script(start_script, tmp_path_factory):
    directory = tmp_path_factory.mktemp("scores")
    script = start_script("record_scores.py", directory)
    script.found = torch.load(directory / "scores.pt")
    return script


@torch.no_grad()
def scores_by_hand(script, net, stitches, input_size):
    data = script.OddDigits(input_size, batch_size=16)
    data.setup()
    draws = [Draw(i) for i in range(script.IMAGES)]
    images, classes = map(torch.stack, zip(*data.test_set.__getitems__(draws), strict=True))
    for stitch in stitches:
        logits = net(images, stitch)
        ranks = (logits > logits.gather(1, classes[:, None])).sum(1)  # how many classes score better than the right one
        within = [100 * (ranks < k).sum().item() / script.IMAGES for k in (1, 5)]
        yield [*within, F.cross_entropy(logits.double(), classes).item(), script.IMAGES]


def assert_same(found, expected):
    expected = list(expected)
    assert [row[-1] for row in found] == [row[-1] for row in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine[:2] == theirs[:2]
        assert mine[2] == pytest.approx(theirs[2], rel=1e-6)


def validated(script, net):
    return SNNetModule(net, UniformSampler(1), script.RECIPE).validation_stitches


def test_validation(script):
    net = script.make_transformers()
    expected = scores_by_hand(script, net, validated(script, net), (1, 8, 8))
    assert_same(script.found["untrained"]["validate"], expected)


def test_test(script):
    net = script.make_transformers()
    assert_same(script.found["untrained"]["test"], scores_by_hand(script, net, net.space, (1, 8, 8)))


def test_an_evaluation_that_goes_on_from_different_batches(script):
    found, net = script.found["interrupted"], script.make_transformers()
    assert found["batches"] == 7 - 2  # of the first process, which has 51 images
    assert_same(found["test"], scores_by_hand(script, net, net.space, (1, 8, 8)))


@pytest.mark.parametrize("loop", ["validate", "test"])
def test_batch_normalisation_is_that_of_the_first_process(script, loop):
    """It is the first process that writes the checkpoint."""
    net, found = script.make_convolutions(), script.found["trained"]
    net.load_state_dict(found[f"{loop}_weights"])
    stitches = net.space if loop == "test" else validated(script, net)
    assert_same(found[loop], scores_by_hand(script, net.eval(), stitches, (3, 32, 32)))
