"""The picture of a replay."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnet_lightning.evaluation.plot import ANCHOR, FRONT, STITCH, as_png, write_picture
from snnet_lightning.serve.replay.client import Outcome
from snnet_lightning.serve.replay.figures import Figures

REACHED = 99.0  # percent of attainment


def plot_replay(
    figures: Sequence[Figures], slack: Sequence[Outcome], slo_ms: float, accuracies: Mapping[int, float], path: Path
) -> None:
    """Attainment against accuracy of every policy; and second by second, load, latency and accuracy of the first.

    Args:
        figures: the policy that chooses, then the fixed stitches.
        slack: outcomes of the first.
        slo_ms: the objective.
        accuracies: top-1 in percent by the id of a stitch.
        path: the PNG to write.
    """
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    grid = figure.subplot_mosaic([["policies", "load"], ["policies", "ms"], ["policies", "top1"]])
    _plot_policies(grid["policies"], figures)
    seconds = np.array([int(outcome.due) for outcome in slack])
    each = np.unique(seconds)
    served = [[o for o in slack if int(o.due) == second and o.status == 200] for second in each]
    grid["load"].plot(each, [np.sum(seconds == second) for second in each], color=STITCH, drawstyle="steps-post")
    grid["load"].set_ylabel("requests\nper second")
    for share, style in ((99, "-"), (50, ":")):
        times = [np.percentile([o.ms for o in s], share) if s else np.nan for s in served]
        grid["ms"].plot(each, times, style, color=FRONT, label=f"p{share}")
    grid["ms"].axhline(slo_ms, color=ANCHOR, lw=1.2, label="objective")
    grid["ms"].set_ylabel("ms")
    grid["ms"].set_ylim(bottom=0)
    grid["ms"].legend(frameon=False, ncol=3, loc="upper left", fontsize=8)
    mean = [float(np.mean([accuracies[o.stitch] for o in s if o.stitch is not None])) if s else np.nan for s in served]
    grid["top1"].plot(each, mean, color=FRONT)
    grid["top1"].set_ylabel("top-1 (%)\nserved")
    grid["top1"].set_xlabel("seconds")
    grid["load"].set_title(f"policy {figures[0].policy}", fontsize=10)
    for name in ("load", "ms"):
        grid[name].sharex(grid["top1"])
        grid[name].tick_params(labelbottom=False)
    for axes in grid.values():
        axes.grid(alpha=0.25)
    write_picture(as_png(figure), path)


def _plot_policies(axes: Axes, figures: Sequence[Figures]) -> None:
    # An accuracy that is not known becomes NaN, which is not drawn.
    x, y = np.array([(each.attainment, each.accuracy) for each in figures], dtype=float).T
    axes.scatter(x[1:], y[1:], 45, STITCH, label="one stitch for all", zorder=2)
    label = figures[0].policy
    axes.scatter(x[0], y[0], 200, ANCHOR, marker="*", edgecolors="black", lw=0.6, label=label, zorder=3)
    axes.axvline(REACHED, color="0.5", lw=1, ls="--")
    axes.set_xlabel("answered within the objective (%)")
    axes.set_ylabel("mean top-1 of the answers (%)")
    axes.set_xlim(-3, 103)
    axes.legend(loc="best", frameon=False)
