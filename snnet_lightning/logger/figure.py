"""The picture of all stitches, to move over: FLOPs, or milliseconds, against top-1."""

from collections.abc import Sequence

import plotly.graph_objects as go

from snnet_lightning.evaluation.plot import ANCHOR, FRONT, STITCH
from snnet_lightning.evaluation.results import Row, front_rows
from snnet_lightning.evaluation.table import formatted

COSTS = "%{customdata[0]:.4s}FLOPs, %{customdata[1]:.4s} parameters"
LATENCY = ", %{customdata[4]} ms"
SCORES = "top-1 %{y:.2f} %, top-5 %{customdata[2]:.2f} %, loss %{customdata[3]:.4f}"
AXES = {
    "flops": {"title": {"text": "FLOPs of one image (multiply-accumulates)"}, "exponentformat": "SI"},
    "latency_ms": {"title": {"text": "milliseconds, as measured"}},
}


def stitch_figure(rows: Sequence[Row], anchors: Sequence[int], cost: str = "flops") -> go.Figure:
    """Anchors as stars, the others as dots sized by parameters, their names on hover, and the Pareto front as a line.

    Args:
        rows: the stitches, with accuracies and ``cost``.
        anchors: ids of those that are single anchors.
        cost: ``flops`` or ``latency_ms``.
    """
    front = front_rows(rows, cost)
    most = max(row.params for row in rows)
    # Plain lists: arrays would be written in a binary form that W&B's older plotly.js may not know.
    line = go.Scatter(
        x=[getattr(row, cost) for row in front],
        y=[row.acc1 for row in front],
        name="Pareto front",
        mode="lines",
        line={"color": FRONT, "shape": "hv"},
        hoverinfo="skip",
    )
    stitches = [row for row in rows if row.id not in anchors]
    dots = _markers("stitch", stitches, cost, color=STITCH, size=[6 + 8 * row.params / most for row in stitches])
    stars = _markers("anchor", [row for row in rows if row.id in anchors], cost, color=ANCHOR, size=14, symbol="star")
    return go.Figure(
        [line, dots, stars],
        {
            "title": {"text": f"{len(rows)} stitches of one network"},
            "xaxis": AXES[cost],
            "yaxis": {"title": {"text": "top-1 accuracy (%)"}},
            "hovermode": "closest",
            "template": "plotly_white",
        },
    )


def _markers(name: str, rows: Sequence[Row], cost: str, **marker: object) -> go.Scatter:
    latency = LATENCY if any(row.latency_ms is not None for row in rows) else ""
    return go.Scatter(
        x=[getattr(row, cost) for row in rows],
        y=[row.acc1 for row in rows],
        text=[row.name for row in rows],
        customdata=[[row.flops, row.params, row.acc5, row.loss, formatted(row, True).get("ms")] for row in rows],
        name=name,
        mode="markers",
        marker=marker,
        hovertemplate=f"<b>%{{text}}</b><br>{COSTS}{latency}<br>{SCORES}<extra></extra>",
    )
