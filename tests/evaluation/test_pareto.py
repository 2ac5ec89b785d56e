"""The Pareto front against its definition, and the picture as a file."""

import random

import matplotlib.image
import numpy as np
import pytest

from snnet_lightning.evaluation.pareto import ANCHOR, FRONT, STITCH, pareto_front, plot_pareto
from snnet_lightning.evaluation.results import Row


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


def rows(unit=1e6):
    return [
        Row(
            i, f"stitch {i}", int(unit * (i + 1)), 1000 * (i + 1), acc1=70 + (7 * i) % 20, acc5=99.0, loss=1.0, images=9
        )
        for i in range(12)
    ]


@pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
def test_picture(tmp_path, unit):
    path = tmp_path / "pareto.png"
    plot_pareto(rows(unit), [0, 11], path)
    picture = matplotlib.image.imread(path)
    assert picture.shape[:2] == (750, 1200)
    pixels = (255 * picture[..., :3]).round().astype(int).reshape(-1, 3)
    for colour in (STITCH, FRONT, ANCHOR):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pixels - rgb).max(1) <= 2).sum() > 50, colour
    assert [p.name for p in tmp_path.iterdir()] == ["pareto.png"]
