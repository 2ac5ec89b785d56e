"""The picture of all stitches, as a file."""

import matplotlib.image
import numpy as np
import pytest

from snnet_lightning.evaluation.plot import ANCHOR, FRONT, STITCH, plot_pareto
from snnet_lightning.evaluation.results import Row


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
