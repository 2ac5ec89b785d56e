"""The picture of all stitches, to move over: FLOPs against top-1."""

from collections.abc import Sequence

import plotly.graph_objects as go

from snnet_lightning.evaluation.plot import ANCHOR, FRONT, STITCH
from snnet_lightning.evaluation.results import Row, front_rows

HOVER = (
    "<b>%{text}</b><br>%{x:.4s}FLOPs, %{customdata[0]:.4s} parameters<br>"
    "top-1 %{y:.2f} %, top-5 %{customdata[1]:.2f} %, loss %{customdata[2]:.4f}<extra></extra>"
)


def stitch_figure(rows: Sequence[Row], anchors: Sequence[int]) -> go.Figure:
    """Anchors as stars, the others as dots sized by parameters, their names on hover, and the Pareto front as a line.

    Args:
        rows: the stitches, with accuracies.
        anchors: ids of those that are single anchors.
    """
    front = front_rows(rows)
    most = max(row.params for row in rows)
    # Plain lists: arrays would be written in a binary form that W&B's older plotly.js may not know.
    line = go.Scatter(
        x=[row.flops for row in front],
        y=[row.acc1 for row in front],
        name="Pareto front",
        mode="lines",
        line={"color": FRONT, "shape": "hv"},
        hoverinfo="skip",
    )
    stitches = [row for row in rows if row.id not in anchors]
    dots = _markers("stitch", stitches, color=STITCH, size=[6 + 8 * row.params / most for row in stitches])
    stars = _markers("anchor", [row for row in rows if row.id in anchors], color=ANCHOR, size=14, symbol="star")
    return go.Figure(
        [line, dots, stars],
        {
            "title": {"text": f"{len(rows)} stitches of one network"},
            "xaxis": {"title": {"text": "FLOPs of one image (multiply-accumulates)"}, "exponentformat": "SI"},
            "yaxis": {"title": {"text": "top-1 accuracy (%)"}},
            "hovermode": "closest",
            "template": "plotly_white",
        },
    )


def _markers(name: str, rows: Sequence[Row], **marker: object) -> go.Scatter:
    return go.Scatter(
        x=[row.flops for row in rows],
        y=[row.acc1 for row in rows],
        text=[row.name for row in rows],
        customdata=[[row.params, row.acc5, row.loss] for row in rows],
        name=name,
        mode="markers",
        marker=marker,
        hovertemplate=HOVER,
    )
