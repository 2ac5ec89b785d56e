"""The overrides on a command line, before Hydra reads it."""

from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException


def overrides_in(words: Iterable[str]) -> list[Override]:
    """Those of ``words`` that are overrides; not options, nor what Hydra will refuse."""
    found = []
    for word in words:
        try:
            found.append(OverridesParser.create().parse_override(word))
        except HydraException:
            continue
    return found
