"""Everything that an evaluation leaves behind: a file of rows, a picture, a page, a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.html_report import write_html_report
from snnet_lightning.evaluation.plot import plot_pareto
from snnet_lightning.evaluation.results import Row, stitch_rows, write_rows
from snnet_lightning.evaluation.summary import summarise, write_summary
from snnet_lightning.evaluation.table import print_table
from snnet_lightning.network.snnet import SNNet


def report(
    rows: Sequence[Row],
    anchors: Sequence[int],
    directory: Path,
    network_acc1: Mapping[int, float] | None = None,
    timed_on: str | None = None,
) -> Path:
    """Write ``stitches.jsonl``, the page and, where accuracies were measured, summary and pictures; print the table.

    Args:
        anchors: ids of the stitches that are single anchors.
        network_acc1: of stitches that were exported, top-1 of the network by id, to be shown beside.
        timed_on: what the milliseconds of the rows are of, in words.

    Returns:
        the page.
    """
    write_rows(rows, directory / "stitches.jsonl")
    summary = None
    if rows[0].acc1 is not None:
        summary = summarise(rows, anchors)
        write_summary(summary, directory)
        plot_pareto(rows, anchors, directory / "pareto.png", network_acc1)
        if rows[0].latency_ms is not None:  # not with ``network_acc1``: how long the network itself took is not known
            plot_pareto(rows, anchors, directory / "latency.png", cost="latency_ms")
    page = write_html_report(rows, anchors, directory, summary, timed_on)
    print_table(rows, anchors, network_acc1)
    print(f"results are in {directory}")
    return page


def report_costs(net: SNNet, directory: str) -> None:
    """Report what every stitch costs, without accuracies."""
    report(stitch_rows(stitch_costs(net)), [stitch.id for stitch in net.space.anchors], Path(directory))
