"""Where a run that was killed goes on."""

import logging
from pathlib import Path

log = logging.getLogger(__name__)

LAST = "last"
FILENAME = "last.ckpt"


def resolve_last(ckpt_path: str | None, directory: str) -> str | None:
    """The last checkpoint in ``directory`` for ``last``, or None if there is none yet; other paths as they are."""
    if ckpt_path != LAST:
        return ckpt_path
    path = Path(directory) / FILENAME
    if path.is_file():
        log.info("going on from %s", path)
        return str(path)
    log.info("no %s yet: the run starts from the beginning", path)
    return None
