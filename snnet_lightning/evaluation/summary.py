"""An SN-Net in a few numbers; docs/runs.md has the formulas."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from snnet_lightning.atomic import written_atomically
from snnet_lightning.budget import Measured
from snnet_lightning.evaluation.pareto import pareto_front

NAME = "summary.json"


def summary_names(anchors: Iterable[str]) -> list[str]:
    """The names that ``summarise`` can give, for anchors of these names."""
    each = [f"test/acc1/{name}" for name in anchors]
    return ["test/acc1", *each, "test/pareto_area", "test/pareto_share", "test/gap"]


def summarise(rows: Sequence[Measured], anchors: Sequence[int]) -> dict[str, float]:
    """The summary metrics by the names under which they are logged; all in percent or percentage points.

    Args:
        rows: the stitches, with accuracies; with fewer than two anchors among them, or nothing else, what compares
            both is left out.
        anchors: ids of those that are single anchors.
    """
    single = sorted((row for row in rows if row.id in anchors), key=lambda row: row.flops)
    stitched = [row for row in rows if row.id not in anchors]
    points = [(row.flops, row.acc1) for row in rows]
    front = [points[i] for i in pareto_front(points)]
    summary = {
        "test/acc1": float(np.mean([row.acc1 for row in rows])),
        **{f"test/acc1/{row.name}": row.acc1 for row in rows if row.id in anchors},
    }
    if len(single) > 1:
        summary["test/pareto_area"] = area_under_front(front, single[0].flops, single[-1].flops)
    summary["test/pareto_share"] = 100 * len(front) / len(rows)
    if len(single) > 1 and stitched:
        line = np.interp(
            [row.flops for row in stitched], [row.flops for row in single], [row.acc1 for row in single]
        )  # beyond the outer anchors: their accuracies
        summary["test/gap"] = float(np.mean([row.acc1 for row in stitched] - line))
    return summary


def area_under_front(front: Sequence[tuple[float, float]], cheapest: float, dearest: float) -> float:
    """Mean over log FLOPs, from ``cheapest`` to ``dearest``, of the best accuracy that so many FLOPs buy.

    Args:
        front: (FLOPs, accuracy) points of the Pareto front, by FLOPs; the first is at most ``cheapest``.
    """
    if cheapest == dearest:
        return max(accuracy for flops, accuracy in front if flops <= dearest)
    area = 0.0
    for (flops, accuracy), (following, _) in pairwise([*front, (math.inf, math.nan)]):
        start, end = (min(max(x, cheapest), dearest) for x in (flops, following))
        area += accuracy * math.log(end / start)
    return area / math.log(dearest / cheapest)


def write_summary(summary: Mapping[str, float], directory: Path) -> None:
    """Write ``summary.json``."""
    with written_atomically(directory / NAME) as unfinished:
        unfinished.write_text(json.dumps(summary, indent=2) + "\n")
