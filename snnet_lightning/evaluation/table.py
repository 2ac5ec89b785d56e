"""The stitches as a table on the terminal."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from snnet_lightning.evaluation.results import Row

MISSING = "–"


def print_table(rows: Sequence[Row], anchors: Sequence[int], network_acc1: Mapping[int, float] | None = None) -> None:
    """Print one line a stitch, in id order, the single anchors in bold; accuracies in percent.

    Args:
        network_acc1: of stitches that were exported, top-1 of the network by id, for a column of its own.
    """
    measured = rows[0].acc1 is not None
    table = Table(title=f"{len(rows)} stitches", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("stitch", overflow="fold")
    for column in formatted(rows[0], measured):
        table.add_column(column, justify="right", no_wrap=True)
    if network_acc1:
        table.add_column("before", justify="right", no_wrap=True)
    for row in rows:
        beside = [f"{network_acc1[row.id]:.2f}" if row.id in network_acc1 else ""] if network_acc1 else []
        style = "bold" if row.id in anchors else None
        table.add_row(str(row.id), row.name, *formatted(row, measured).values(), *beside, style=style)
    Console(markup=False).print(table)


def formatted(row: Row, measured: bool) -> dict[str, str]:
    """A stitch's numbers as people read them, by the names of their columns; accuracies, in percent, if ``measured``.

    Milliseconds are among them where known, which is for all stitches of a network or for none.
    """
    numbers = {"MFLOPs": f"{row.flops / 1e6:,.1f}", "Mparams": f"{row.params / 1e6:,.2f}"}
    if row.latency_ms is not None:
        numbers["ms"] = format(row.latency_ms, ".2f" if row.latency_ms < 9.995 else ",.1f")
    if measured:
        found = {"top-1": (row.acc1, ".2f"), "top-5": (row.acc5, ".2f"), "loss": (row.loss, ".3f")}
        numbers |= {name: MISSING if value is None else format(value, form) for name, (value, form) in found.items()}
    return numbers
