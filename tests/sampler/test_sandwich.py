"""The extremes always, the others equally often."""

from collections import Counter
from itertools import combinations

import pytest
from scipy.stats import chisquare

from snnet_lightning.errors import InputError
from snnet_lightning.sampler import SandwichSampler
from snnet_lightning.stitch import PairedRule

SPACE = PairedRule()(["small", "middle", "large"], [(2,), (2,), (2,)])  # 3 anchors, 2 * 4 stitches
FLOPS = dict.fromkeys(SPACE, 1)
STEPS = 20_000


def test_largest_then_smallest_then_others_equally_often_and_none_twice():
    sampler = SandwichSampler(seed=1, random_stitches=2)
    pairs = Counter()
    for step in range(STEPS):
        largest, smallest, *others = sampler.draw(FLOPS, step)
        assert (largest.name, smallest.name) == ("large", "small")
        pairs[frozenset(stitch.id for stitch in others)] += 1
    stated = {frozenset(pair) for pair in combinations([1, *range(3, 11)], 2)}
    assert pairs.keys() == stated
    assert chisquare(list(pairs.values())).pvalue > 1e-3


def test_a_pure_function_of_seed_step_and_rank():
    steps = range(200)
    draws = [SandwichSampler(1).draw(FLOPS, step) for step in steps]
    assert draws == [SandwichSampler(1).draw(FLOPS, step) for step in steps]
    assert draws != [SandwichSampler(2).draw(FLOPS, step) for step in steps]
    assert draws != [SandwichSampler(1).draw(FLOPS, step, 1) for step in steps]
    assert draws == [SandwichSampler(1, per_rank=True).draw(FLOPS, step, 0) for step in steps]
    shared = SandwichSampler(1, per_rank=False)
    assert all(shared.draw(FLOPS, step, 0) == shared.draw(FLOPS, step, 1) for step in steps)


def test_without_random_stitches_the_extremes_are_left():
    assert [stitch.name for stitch in SandwichSampler(1, 0).draw(FLOPS, 5)] == ["large", "small"]


def test_more_than_there_are_cannot_be_drawn():
    with pytest.raises(InputError, match="random_stitches=10: there are 9 to draw from"):
        SandwichSampler(1, 10).draw(FLOPS, 0)


def test_frozen_anchors_are_refused():
    stitches = {stitch: 1 for stitch in SPACE if not stitch.is_anchor}
    with pytest.raises(InputError, match=r"sampler=sandwich trains .* which net.freeze_anchors=true forbids"):
        SandwichSampler(1).draw(stitches, 0)
