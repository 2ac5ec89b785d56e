"""The picture of all stitches, as a file."""

from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from snnet_lightning.evaluation import plot
from snnet_lightning.evaluation.plot import ANCHOR, FRONT, NETWORK, STITCH, plot_pareto
from snnet_lightning.evaluation.report import report
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


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """The axes of a picture, after it was written."""
    figures, as_png = [], plot.as_png

    def noted(figure):
        figures.append(figure)
        return as_png(figure)

    def draw(*arguments, **options):
        plot._pareto.cache_clear()
        plot_pareto(*arguments, tmp_path / "a.png", **options)
        return figures[-1].axes[0]

    monkeypatch.setattr(plot, "as_png", noted)
    return draw


FEWER_FLOPS_MORE_TIME = [
    Row(0, "a", 1_000_000, 1000, acc1=70.0, acc5=99.0, loss=1.0, images=9, latency_ms=3.0),
    Row(1, "b", 2_000_000, 1000, acc1=80.0, acc5=99.0, loss=1.0, images=9, latency_ms=2.0),
    Row(2, "c", 3_000_000, 1000, acc1=75.0, acc5=99.0, loss=1.0, images=9, latency_ms=1.0),
    Row(3, "d", 4_000_000, 1000, acc1=90.0, acc5=99.0, loss=1.0, images=9, latency_ms=4.0),
]


@pytest.mark.parametrize(
    ("cost", "front", "anchor", "unit"),
    [
        ("flops", [(1.0, 70.0), (2.0, 80.0), (4.0, 90.0)], (3.0, 75.0), "MFLOPs"),
        ("latency_ms", [(1.0, 75.0), (2.0, 80.0), (4.0, 90.0)], (1.0, 75.0), "milliseconds"),
    ],
)
def test_the_front_is_that_of_the_axis(drawn, cost, front, anchor, unit):
    axes = drawn(FEWER_FLOPS_MORE_TIME, [2], cost=cost)
    (line,) = axes.lines
    assert [tuple(point) for point in line.get_xydata()] == front
    assert [tuple(point) for point in axes.collections[-1].get_offsets()] == [anchor]
    assert [text.xy for text in axes.texts] == [anchor]
    assert unit in axes.get_xlabel()


@pytest.mark.parametrize(
    ("changes", "pictures"),
    [({}, {"pareto.png", "latency.png"}), ({"latency_ms": None}, {"pareto.png"}), ({"acc1": None}, set())],
)
def test_the_pictures_of_a_report(tmp_path, changes, pictures):
    report([replace(row, **changes) for row in FEWER_FLOPS_MORE_TIME], [0, 3], tmp_path, {0: 71.0})
    assert {path.name for path in tmp_path.glob("*.png")} == pictures
    sizes = {matplotlib.image.imread(tmp_path / name).shape[:2] for name in pictures}
    assert sizes <= {(750, 1200)}
