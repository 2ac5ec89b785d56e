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
    for column in columns(measured):
        table.add_column(column, justify="right", no_wrap=True)
    if network_acc1:
        table.add_column("before", justify="right", no_wrap=True)
    for row in rows:
        beside = [f"{network_acc1[row.id]:.2f}" if row.id in network_acc1 else ""] if network_acc1 else []
        style = "bold" if row.id in anchors else None
        table.add_row(str(row.id), row.name, *formatted(row, measured), *beside, style=style)
    Console(markup=False).print(table)


def columns(measured: bool) -> list[str]:
    """The names of a stitch's numbers, with accuracies if ``measured``."""
    return ["MFLOPs", "Mparams", *(["top-1", "top-5", "loss"] if measured else [])]


def formatted(row: Row, measured: bool) -> list[str]:
    """A stitch's numbers, in the order of ``columns``, as people read them; accuracies in percent."""
    numbers = [f"{row.flops / 1e6:,.1f}", f"{row.params / 1e6:,.2f}"]
    if not measured:
        return numbers
    found = ((row.acc1, ".2f"), (row.acc5, ".2f"), (row.loss, ".3f"))
    return [*numbers, *(MISSING if value is None else format(value, digits) for value, digits in found)]
