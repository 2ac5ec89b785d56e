"""The picture of all stitches, as a file."""

import matplotlib.image
import numpy as np
import pytest

from snnet_lightning.evaluation.plot import ANCHOR, FRONT, NETWORK, STITCH, plot_pareto
from snnet_lightning.evaluation.results import Row


def rows(unit=1e6):
    return [
        Row(
            i, f"stitch {i}", int(unit * (i + 1)), 1000 * (i + 1), acc1=70 + (7 * i) % 20, acc5=99.0, loss=1.0, images=9
        )
        for i in range(12)
    ]


def count(pixels, colour):
    return (np.abs(pixels - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).max(1) <= 2).sum()


@pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
def test_picture(tmp_path, unit):
    path = tmp_path / "pareto.png"
    plot_pareto(rows(unit), [0, 11], path)
    picture = matplotlib.image.imread(path)
    assert picture.shape[:2] == (750, 1200)
    pixels = (255 * picture[..., :3]).round().astype(int).reshape(-1, 3)
    for colour in (STITCH, FRONT, ANCHOR):
        assert count(pixels, colour) > 50, colour
    assert [p.name for p in tmp_path.iterdir()] == ["pareto.png"]


def test_the_front_before_the_export_is_a_line_of_its_own(tmp_path):
    before = {row.id: row.acc1 + 2 for row in rows()}
    plot_pareto(rows(), [0, 11], tmp_path / "a.png")
    plot_pareto(rows(), [0, 11], tmp_path / "b.png", before)
    alone, both = (
        (255 * matplotlib.image.imread(tmp_path / name)[..., :3]).round().astype(int).reshape(-1, 3)
        for name in ("a.png", "b.png")
    )
    assert count(both, NETWORK) > count(alone, NETWORK) + 500  # texts and frame are black too
