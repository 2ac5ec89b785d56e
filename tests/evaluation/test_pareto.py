"""The Pareto front against its definition."""

import random

import pytest

from snnet_lightning.evaluation.pareto import pareto_front


def undominated(points):
    """By definition: nothing is at least as good in both and better in one."""
    return {p for p in points if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)}


@pytest.mark.parametrize("seed", range(30))
def test_front_is_the_set_of_undominated_points(seed):
    generator = random.Random(seed)
    count, grid = generator.choice([(1, 3), (10, 4), (60, 8), (200, 1000)])  # coarse grids give many ties
    points = [(generator.randrange(grid), generator.randrange(grid)) for _ in range(count)]
    front = [points[i] for i in pareto_front(points)]
    assert set(front) == undominated(points)
    assert len(front) == len(set(front))
    assert front == sorted(front)
