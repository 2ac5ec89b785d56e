"""Groups by hand and by the published figures; draws against the stated probabilities."""

import json
from collections import Counter
from pathlib import Path

from scipy.stats import chisquare

from snnet_lightning.sampler import FlopsGroupedSampler
from snnet_lightning.sampler.flops_grouped import flops_groups
from snnet_lightning.stitch import PairedRule, TwoWayRule

SPACE = PairedRule()(["a", "b"], [(3,), (3,)])  # 9 stitches
FLOPS = dict(zip(SPACE, [10, 50, 21, 30, 11, 20, 12, 31, 32], strict=True))
GROUPS = [[0, 4, 6, 5], [2, 3, 7], [8], [1]]  # 10 11 12 20 | 21 30 31 | 32 | 50
STEPS = 20_000


def ids(groups):
    return [[stitch.id for stitch in group] for group in groups]


def test_a_group_holds_all_within_the_gap_of_its_first():
    assert ids(flops_groups(FLOPS, 10)) == GROUPS
    assert ids(flops_groups(FLOPS, 0)) == [[i] for group in GROUPS for i in group]
    assert len(flops_groups(FLOPS, 40)) == 1


def test_published_groups_of_deit3_s_l():
    """By the published FLOPs; S has 12 blocks, L 24."""
    published = json.loads((Path(__file__).parents[1] / "golden" / "flops_deit3_s_l.json").read_text())["flops"]
    flops = dict(zip(TwoWayRule()(["s", "l"], [(12,), (24,)]), published, strict=True))
    assert [len(group) for group in flops_groups(flops, 1e9)] == [1, *[12] * 11, 1]


def test_groups_equally_often_and_in_a_group_every_stitch():
    sampler = FlopsGroupedSampler(seed=1, gap=10)
    drawn = Counter(stitch.id for step in range(STEPS) for stitch in sampler.draw(FLOPS, step))
    stated = {i: STEPS / len(GROUPS) / len(group) for group in GROUPS for i in group}
    assert drawn.keys() == stated.keys()
    assert chisquare([drawn[i] for i in stated], list(stated.values())).pvalue > 1e-3


def test_a_pure_function_of_seed_step_and_rank():
    draws = [FlopsGroupedSampler(1, 10).draw(FLOPS, step, rank) for step in range(200) for rank in (0, 1)]
    assert draws == [FlopsGroupedSampler(1, 10).draw(FLOPS, step, rank) for step in range(200) for rank in (0, 1)]
    assert draws[::2] != draws[1::2]
    assert draws[::2] != [FlopsGroupedSampler(2, 10).draw(FLOPS, step) for step in range(200)]
    shared = FlopsGroupedSampler(1, 10, per_rank=False)
    assert all(shared.draw(FLOPS, step, 0) == shared.draw(FLOPS, step, 1) for step in range(200))


def test_a_gap_as_wide_as_the_range_is_warned_of(caplog):
    FlopsGroupedSampler(1, gap=10).start(FLOPS)
    assert not caplog.records
    FlopsGroupedSampler(1).start(FLOPS)
    assert "all 9 stitches are within sampler.gap=1e+09 FLOPs" in caplog.text
