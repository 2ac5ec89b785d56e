"""Uniform, and a pure function of seed, step and rank."""

from collections import Counter

import pytest
from scipy.stats import chisquare

from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule

SPACE = dict.fromkeys(PairedRule()(["a", "b"], [(3,), (3,)]), 1)  # 9 stitches, whose cost does not matter
STEPS = 20_000


def drawn_id(sampler, step):
    (stitch,) = sampler.draw(SPACE, step)
    return stitch.id


@pytest.fixture(scope="module")
def drawn():
    sampler = UniformSampler(seed=1)
    return [drawn_id(sampler, step) for step in range(STEPS)]


def test_every_stitch_equally_often(drawn):
    counts = Counter(drawn)
    assert set(counts) == {stitch.id for stitch in SPACE}
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_a_step_says_nothing_about_the_next(drawn):
    pairs = Counter(zip(drawn[::2], drawn[1::2], strict=True))
    assert len(pairs) == len(SPACE) ** 2
    assert chisquare(list(pairs.values())).pvalue > 1e-3


def test_a_pure_function_of_seed_step_and_rank(drawn):
    again = UniformSampler(seed=1)
    assert [drawn_id(again, step) for step in reversed(range(500))] == drawn[:500][::-1]
    other = UniformSampler(seed=2)
    same = sum(drawn_id(other, step) == drawn[step] for step in range(STEPS))
    assert chisquare([same, STEPS - same], [STEPS / 9, STEPS * 8 / 9]).pvalue > 1e-3


def test_ranks_draw_their_own_stitch_or_all_the_same():
    own, shared = UniformSampler(seed=1), UniformSampler(seed=1, per_rank=False)
    steps = range(2000)
    same = sum(own.draw(SPACE, step, 0) == own.draw(SPACE, step, 1) for step in steps)
    assert chisquare([same, 2000 - same], [2000 / 9, 2000 * 8 / 9]).pvalue > 1e-3
    assert all(shared.draw(SPACE, step, 0) == shared.draw(SPACE, step, 3) for step in steps)
    assert {drawn_id(shared, step) for step in steps} == {stitch.id for stitch in SPACE}
