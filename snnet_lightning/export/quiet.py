"""Exporters at work, without what they say of it."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Exporters print and warn of what does not concern who exports; what fails is raised all the same."""
    disabled = logging.root.manager.disable
    handler = logging.NullHandler()  # or the first warning to a root that has none would give it one for good
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            logging.root.addHandler(handler)
            logging.disable(logging.WARNING)
            yield
        finally:
            logging.root.removeHandler(handler)
            logging.disable(disabled)
