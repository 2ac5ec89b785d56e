"""The picture of a sweep: the Pareto fronts of its settings over one another."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from snnet_lightning.evaluation.plot import as_png, write_picture
from snnet_lightning.sweeps.fronts import Front, fronts_of
from snnet_lightning.sweeps.record import Job

# Okabe and Ito's palette, told apart by colour-blind readers too, without its yellow, which is faint on white. Line
# styles and markers change along with the colour, their numbers have no common divisor with that of the colours.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", (0, (1, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
TOLD_APART = 14  # so many lines one can still find in the legend
LABEL_WIDTH = 44  # characters of a line in the legend


def plot_sweep(jobs: Sequence[Job], path: Path) -> None:
    """Draw the Pareto front of every setting, over the seeds its mean and a band from the lowest to the highest.

    Nothing is written if no job has anything to draw.

    Args:
        jobs: those of the sweep.
        path: the PNG to write.
    """
    fronts = fronts_of(jobs)
    if not fronts:
        return
    named, others = _told_apart(fronts)
    seeds = {front.jobs for front in fronts}
    labels = [front.label + (f" ({front.jobs} seeds)" if len(seeds) > 1 else "") for front in named]
    labels = [fill(label, LABEL_WIDTH) for label in labels]
    if others:
        labels.append(f"{len(others)} more settings, lower at their best")
    lines = sum(label.count("\n") + 1 for label in labels)
    beside = len(fronts) > 1
    figure = Figure(figsize=(12 if beside else 8, max(5, 0.75 + 0.21 * lines)), layout="constrained")
    axes = figure.subplots()
    end = 1.1 * max(front.flops[-1] for front in fronts)
    handles = [_draw(axes, front, place, end) for place, front in enumerate(named)]
    low = [axes.plot(f.flops, f.mean, color="0.8", lw=0.8, drawstyle="steps-post", zorder=1)[0] for f in others]
    if beside:
        figure.legend(handles + low[:1], labels, loc="outside right upper", frameon=False, fontsize=9, handlelength=3.5)
    _label_axes(axes, fronts)
    axes.set_title(_title(jobs, seeds))
    write_picture(as_png(figure), path)


def _told_apart(fronts: Sequence[Front]) -> tuple[list[Front], list[Front]]:
    """The settings that get a line of their own, the best if there are too many, and the others."""
    best = sorted(range(len(fronts)), key=lambda i: -fronts[i].mean[-1])[:TOLD_APART]
    return [f for i, f in enumerate(fronts) if i in best], [f for i, f in enumerate(fronts) if i not in best]


def _draw(axes: Axes, front: Front, place: int, end: float) -> Line2D:
    """Draw a front on to ``end``, for what so many FLOPs buy, more buy too."""
    colour = COLOURS[place % len(COLOURS)]
    flops = np.append(front.flops, end)
    mean, low, high = (np.append(values, values[-1]) for values in (front.mean, front.low, front.high))
    (line,) = axes.plot(
        flops,
        mean,
        color=colour,
        ls=STYLES[place % len(STYLES)],
        marker=MARKERS[place % len(MARKERS)],
        markevery=slice(len(front.flops)),
        ms=5,
        mec="white",
        mew=0.5,
        lw=1.5,
        drawstyle="steps-post",
        zorder=3,
    )
    if front.jobs > 1:
        axes.fill_between(flops, low, high, step="post", color=colour, alpha=0.15, lw=0, zorder=2)
    return line


def _label_axes(axes: Axes, fronts: Sequence[Front]) -> None:
    axes.set_xscale("log")  # families of anchors differ by orders of magnitude
    span = max(f.flops[-1] for f in fronts) / min(f.flops[0] for f in fronts)
    axes.xaxis.set_major_locator(LogLocator(subs=range(1, 10) if span < 6 else (1, 2, 5) if span < 1000 else (1,)))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("FLOPs of one image (multiply-accumulates)")
    axes.set_ylabel("top-1 accuracy (%)")
    axes.grid(alpha=0.25)


def _title(jobs: Sequence[Job], seeds: set[int]) -> str:
    succeeded = sum(job.succeeded for job in jobs)
    title = f"Pareto fronts of {succeeded} jobs" if succeeded > 1 else "Pareto front of one job"
    title += f" ({len(jobs) - succeeded} more failed)" if succeeded < len(jobs) else ""
    if max(seeds) > 1:
        over = f"{max(seeds)} seeds" if len(seeds) == 1 else "seeds"
        title += f"; line: mean over {over}, band: lowest to highest"
    return title
