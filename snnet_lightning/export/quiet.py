"""Exporters at work, without what they say of it."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

LOGGERS = ("", "torch.onnx", "torch.export", "onnxscript", "onnx_ir")  # the root is onnxruntime's quantiser's


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Exporters print and warn of what does not concern who exports; what fails is raised all the same."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    handler = logging.NullHandler()  # or the first warning to a root that has none would give it one for good
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            loggers[0].addHandler(handler)
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            loggers[0].removeHandler(handler)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
