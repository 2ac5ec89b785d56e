"""A bar with the remaining time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress() -> Iterator[Callable[..., None]]:
    """On a terminal, show how much is done, of how much, and of what; give what is to be told that."""
    percent = TextColumn("{task.percentage:3.0f} %")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), percent, TimeRemainingColumn(), transient=True
    ) as bars:
        bar = bars.add_task("starting", total=None)

        def tell(done: int, of: int, what: str, before: int = 0) -> None:
            bars.update(bar, description=what, completed=before + done, total=of)

        yield tell
