"""The page of a running server: draw or choose an image, see which stitch answers, watch the server."""

from html import escape

from snnet_lightning.html import filled
from snnet_lightning.serve.table import ServedTable

SCRIPTS = (  # in the order in which they run
    *("data.js", "speech.js", "request.js", "budget.js", "answer.js", "image.js", "pad.js"),
    *("load.js", "charts.js", "activity.js", "start.js"),
)
SHOWN = ("id", "name", "flops", "acc1", "front")  # of a stitch


def page(table: ServedTable, slo_ms: float) -> str:
    """The whole page as HTML; ``slo_ms`` is what the budget is at first."""
    stitches = table.as_data()
    anchors = ", ".join(anchor.alias for anchor in table.description.anchors)
    return filled(
        __name__,
        SCRIPTS,
        {"slo_ms": slo_ms, "stitches": [{key: stitch[key] for key in SHOWN} for stitch in stitches]},
        title=escape(f"{len(stitches)} stitches of {anchors}"),
        subtitle=f"Served to be answered within {slo_ms:g} ms.",
    )
