"""What a run says on the terminal; its log file has more: all that libraries say, with times and names."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from snnet_lightning.first_process import is_first_process

HEARD = ("snnet_lightning", "lightning")  # whose information is for people; of others, warnings are
NOISE = ("TPU available: False", "💡 Tip", "`Trainer(limit_", "-----")  # Lightning's lines that say nothing
OF_EVERY_PROCESS = "snnet_lightning.data"  # each has images of its own; all else is the same in all of them
CHATTY = ("lightning", "lightning.fabric", "lightning.pytorch", "torchmetrics", "huggingface_hub")
WARNINGS = logging.getLogger("py.warnings")
DEPRECATIONS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


class Terminal(logging.StreamHandler):
    """Prints what we and Lightning say, and what others warn of; each warning once, for all processes the first one."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.warned: set[str] = set()

    @property
    def stream(self) -> TextIO:
        """Whatever is standard output now, for progress bars put something there that prints above them."""
        return sys.stdout

    def filter(self, record: logging.LogRecord) -> bool:
        message, first = record.getMessage(), is_first_process()
        if record.levelno < logging.WARNING:
            return first and record.name.startswith(HEARD) and not message.startswith(NOISE)
        if not first and not record.name.startswith(OF_EVERY_PROCESS):
            return False
        known = message in self.warned
        self.warned.add(message)
        return not known

    def format(self, record: logging.LogRecord) -> str:
        """The message; a warning says so, in one line, and nothing of the code that it comes from."""
        if record.levelno < logging.WARNING:
            return record.getMessage()
        args = record.args if record.name == WARNINGS.name and isinstance(record.args, tuple) else ()
        message = str(args[0]) if args else record.getMessage()
        return f"{record.levelname.lower()}: {' '.join(message.split())}"


@contextmanager
def libraries_logged() -> Iterator[None]:
    """Bring what libraries have to say to the log, once.

    Python's warnings are logged; deprecations, which only a programmer can heed, are for the file alone.
    """
    import lightning  # noqa: F401  now, for on import these give their loggers handlers, whatever the root has
    import timm  # noqa: F401

    for name in CHATTY:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    show = warnings.showwarning

    def log(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        if file is not None:
            show(message, category, filename, lineno, file, line)
        level = logging.INFO if issubclass(category, DEPRECATIONS) else logging.WARNING
        WARNINGS.log(level, "%s (%s, %s:%d)", message, category.__name__, filename, lineno)

    warnings.showwarning = log
    try:
        yield
    finally:
        warnings.showwarning = show
