"""The average, the softmax and the draws against what they are said to be."""

import json
import math
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from torch import nn

from snnet_lightning.sampler import ImportanceSampler
from snnet_lightning.sampler.importance import mean_importance
from snnet_lightning.stitch import PairedRule

SPACE = PairedRule()(["a", "b"], [(3,), (3,)])  # 9 stitches
FLOPS = dict(zip(SPACE, [10, 50, 21, 30, 11, 20, 12, 31, 32], strict=True))
GROUPS = [[0, 4, 6, 5], [2, 3, 7], [8], [1]]  # 10 11 12 20 | 21 30 31 | 32 | 50
IMPORTANCE = {0: 3e-6, 4: 1e-6, 6: 5e-6, 2: 7e-5, 3: 2e-5, 7: 2e-5, 8: 1.0}  # not of 5 and 1
DRAWS = 20_000


def parameter(weight, gradient):
    made = nn.Parameter(torch.tensor(weight))
    made.grad = None if gradient is None else torch.tensor(gradient)
    return made


def gives(value):
    """Parameters whose mean importance is ``value``."""
    return [parameter([2.0], [-value / 2])]


def drawn_after(sampler, count):
    """Draws of many steps from one state."""
    drawn = Counter()
    for _ in range(count):
        (stitch,) = sampler.draw(FLOPS, 0)
        drawn[stitch.id] += 1
        sampler.steps += 1
    return drawn


def test_mean_over_all_elements_that_have_a_gradient():
    used = [parameter([1.0, -2.0], [3.0, 4.0]), parameter([[-0.5]], [[-6.0]]), parameter([9.0, 9.0], None)]
    assert mean_importance(used) == pytest.approx((3 + 8 + 3) / 3)


def test_average_of_a_stitch_over_the_steps_that_drew_it():
    sampler, (first, second, *_) = ImportanceSampler(1, decay=0.75), SPACE
    for stitch, value in ((first, 4.0), (second, 1.0), (first, 8.0), (first, math.inf), (first, 1.0)):
        sampler.observe((stitch,), gives(value))
    assert sampler.importance == pytest.approx({0: 0.75 * (0.75 * 4 + 0.25 * 8) + 0.25 * 1, 1: 1.0})
    assert sampler.steps == 5


def test_probabilities_by_hand():
    sampler = ImportanceSampler(1, temperature=2)
    sampler.load_state_dict({"steps": 0, "importance": IMPORTANCE})
    scores = [0, -2 / math.sqrt(8 / 3), 2 / math.sqrt(8 / 3), 0]  # 3, 1, 5 e-6, and the mean for the one unknown
    weights = [math.exp(score / 2) for score in scores]
    found = sampler.probabilities([SPACE[i] for i in GROUPS[0]])
    assert found == pytest.approx([weight / sum(weights) for weight in weights])
    assert sampler.probabilities([SPACE[8]]) == [1]
    assert sampler.probabilities([SPACE[1]]) == [1]


def test_warm_up_is_uniform():
    drawn = drawn_after(ImportanceSampler(1, gap=10, warmup_draws=2000), 2000 * 9)
    assert chisquare([drawn[stitch.id] for stitch in SPACE]).pvalue > 1e-3


def test_then_groups_equally_often_and_in_them_by_importance():
    sampler = ImportanceSampler(1, gap=10, warmup_draws=5)
    sampler.load_state_dict({"steps": 45, "importance": IMPORTANCE})
    stated = {}
    for group in GROUPS:
        known = [IMPORTANCE[i] for i in group if i in IMPORTANCE] or [0.0]
        mean = sum(known) / len(known)
        spread = math.sqrt(sum((x - mean) ** 2 for x in known) / len(known)) or 1
        weights = {i: math.exp((IMPORTANCE.get(i, mean) - mean) / spread) for i in group}
        stated |= {i: DRAWS / 4 * weight / sum(weights.values()) for i, weight in weights.items()}
    drawn = drawn_after(sampler, DRAWS)
    assert max(stated.values()) / min(stated.values()) > 3
    assert chisquare([drawn[i] for i in stated], list(stated.values())).pvalue > 1e-3


def test_one_draw_for_all_batches_and_processes_of_an_optimiser_step():
    sampler = ImportanceSampler(1)
    seen = []
    for _ in range(50):
        (drawn,) = {sampler.draw(FLOPS, batch, rank) for batch in range(4) for rank in (0, 1)}
        seen.append(drawn)
        sampler.observe(drawn, gives(1.0))
    assert len(set(seen)) > 5


def test_goes_on_from_its_state():
    whole = ImportanceSampler(1, gap=10, warmup_draws=1)
    states, drawn = [], []
    for step in range(60):
        states.append(json.dumps({"state": list(whole.state_dict()["importance"].items()), "steps": whole.steps}))
        drawn.append(whole.draw(FLOPS, step))
        whole.observe(drawn[-1], gives(float(step % 7 + drawn[-1][0].id)))
    for start in (0, 5, 30):
        resumed, kept = ImportanceSampler(1, gap=10, warmup_draws=1), json.loads(states[start])
        resumed.load_state_dict({"steps": kept["steps"], "importance": dict(kept["state"])})
        for step in range(start, 60):
            assert resumed.draw(FLOPS, step) == drawn[step]
            resumed.observe(drawn[step], gives(float(step % 7 + drawn[step][0].id)))
