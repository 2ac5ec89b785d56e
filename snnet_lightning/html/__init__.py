"""What pages have in common: their look, their figures and charts, and how one is put together."""

import json
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any

SCRIPTS = ("base.js", "svg.js", "scale.js")  # in the order in which they run


def filled(package: str, scripts: Sequence[str], data: Any, **texts: str) -> str:
    """A package's ``template.html`` with its style, scripts and data inside; ``texts`` are HTML."""
    return Template(_part(package, "template.html")).substitute(
        texts,
        style=_part(__name__, "base.css") + _part(package, "style.css"),
        # Nothing in a script element ends it but "</script", and "<!--" would change how its end is found.
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        script="\n".join([*(_part(__name__, name) for name in SCRIPTS), *(_part(package, name) for name in scripts)]),
    )


def _part(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
