"""The picture of all stitches: FLOPs, or milliseconds, against top-1."""

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from snnet_lightning.atomic import written_atomically
from snnet_lightning.evaluation.pareto import pareto_front
from snnet_lightning.evaluation.results import Row

# Okabe and Ito's palette: told apart by colour-blind readers too.
STITCH, FRONT, ANCHOR, NETWORK = "#56B4E9", "#0072B2", "#D55E00", "#000000"


def plot_pareto(
    rows: Sequence[Row],
    anchors: Sequence[int],
    path: Path,
    network_acc1: Mapping[int, float] | None = None,
    cost: str = "flops",
) -> None:
    """Cost against top-1: anchors as stars, the others as dots sized by parameters, and the Pareto front.

    Args:
        rows: the stitches, with accuracies and ``cost``.
        anchors: ids of those that are single anchors.
        path: the PNG to write.
        network_acc1: of stitches that were exported, top-1 of the network by id, for a front of its own.
        cost: ``flops`` or ``latency_ms``.
    """
    picture = _pareto(tuple(rows), tuple(anchors), tuple((network_acc1 or {}).items()), cost)
    write_picture(picture, path)


@lru_cache(maxsize=2)  # an evaluation and the network that it saves have the same picture
def _pareto(
    rows: tuple[Row, ...], anchors: tuple[int, ...], network_acc1: tuple[tuple[int, float], ...], cost: str
) -> bytes:
    costs = {row.id: getattr(row, cost) for row in rows}
    unit, label = _axis(cost, max(costs.values()))
    x = np.array(list(costs.values())) / unit
    acc1 = np.array([row.acc1 for row in rows])
    params = np.array([row.params for row in rows], dtype=float)
    sizes = 15 + 105 * params / params.max()
    single = np.isin([row.id for row in rows], anchors)

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    _draw_front(axes, list(zip(x, acc1, strict=True)), color=FRONT, label="Pareto front", zorder=1)
    if network_acc1:
        before = [(costs[i] / unit, acc1) for i, acc1 in network_acc1 if i in costs]
        _draw_front(axes, before, color=NETWORK, ls="--", label="network's front")
    axes.scatter(
        x[~single], acc1[~single], sizes[~single], STITCH, edgecolors="white", lw=0.6, label="stitch", zorder=2
    )
    axes.scatter(x[single], acc1[single], 180, ANCHOR, marker="*", edgecolors="black", lw=0.6, label="anchor", zorder=3)
    for row in (row for row in rows if row.id in anchors):
        axes.annotate(
            row.name,
            (costs[row.id] / unit, row.acc1),
            xytext=(0, -9),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=9,
            path_effects=[withStroke(linewidth=3, foreground="white")],
            zorder=4,
        )
    axes.margins(0.09, 0.12)
    axes.set_xlabel(label)
    axes.set_ylabel("top-1 accuracy (%)")
    axes.set_title(f"{len(rows)} stitches of one network; dot size: parameters, up to {_count(params.max())}")
    axes.grid(alpha=0.25)
    axes.legend(loc="best", frameon=False)
    return as_png(figure)


def as_png(figure: Figure) -> bytes:
    """The bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, dpi=150, format="png")
    return file.getvalue()


def write_picture(png: bytes, path: Path) -> None:
    """Write the bytes of a PNG file."""
    with written_atomically(path) as unfinished:
        unfinished.write_bytes(png)


def _draw_front(axes: Axes, points: Sequence[tuple[float, float]], **style: Any) -> None:
    """The Pareto front of (cost, accuracy) points as steps, for what so much buys, more buys too."""
    line = np.array([points[i] for i in pareto_front(points)])
    axes.plot(line[:, 0], line[:, 1], lw=1.5, drawstyle="steps-post", **style)


def _axis(cost: str, most: float) -> tuple[float, str]:
    """How much is one on the axis, and what the axis is called."""
    if cost == "latency_ms":
        return 1, "milliseconds, as measured"
    unit, prefix = next(((u, p) for u, p in ((1e9, "G"), (1e6, "M")) if most >= u), (1e3, "k"))
    return unit, f"{prefix}FLOPs of one image (multiply-accumulates)"


def _count(number: float) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"
