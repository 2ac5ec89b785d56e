"""Everything that an evaluation leaves behind: a file of rows, a picture, a page, a table."""

from collections.abc import Sequence
from pathlib import Path

from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.html_report import write_html_report
from snnet_lightning.evaluation.plot import plot_pareto
from snnet_lightning.evaluation.results import Row, stitch_rows, write_rows
from snnet_lightning.evaluation.summary import summarise, write_summary
from snnet_lightning.evaluation.table import print_table
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import StitchSpace


def report(rows: Sequence[Row], space: StitchSpace, directory: Path) -> None:
    """Write ``stitches.jsonl``, the page and, where accuracies were measured, summary and picture; print the table."""
    anchors = [stitch.id for stitch in space.anchors]
    write_rows(rows, directory / "stitches.jsonl")
    summary = None
    if rows[0].acc1 is not None:
        summary = summarise(rows, anchors)
        write_summary(summary, directory)
        plot_pareto(rows, anchors, directory / "pareto.png")
    write_html_report(rows, anchors, directory, summary)
    print_table(rows, anchors)
    print(f"results are in {directory}")


def report_costs(net: SNNet, directory: str) -> None:
    """Report what every stitch costs, without accuracies."""
    report(stitch_rows(stitch_costs(net)), net.space, Path(directory))
