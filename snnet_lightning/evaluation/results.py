"""One row a stitch: what it costs and, where measured, how well it does."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from snnet_lightning.atomic import written_atomically
from snnet_lightning.evaluation.cost import Cost
from snnet_lightning.evaluation.metrics import Score
from snnet_lightning.stitch.route import Stitch


@dataclass(frozen=True)
class Row:
    """A line of ``stitches.jsonl``; accuracies in percent, None where only the cost was asked for."""

    id: int
    name: str
    flops: int
    params: int
    acc1: float | None = None
    acc5: float | None = None
    loss: float | None = None
    images: int | None = None


def stitch_rows(costs: Mapping[Stitch, Cost], scores: Sequence[Score] | None = None) -> list[Row]:
    """Rows in the order of ``costs``, which is that of ``scores``."""
    return [
        Row(s.id, s.name, **asdict(cost), **(asdict(scores[i]) if scores else {}))
        for i, (s, cost) in enumerate(costs.items())
    ]


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one JSON object a stitch; what was not measured, and what is not a number, is left out."""
    known = [{k: v for k, v in asdict(row).items() if v is not None and not _is_nan(v)} for row in rows]
    write_jsonl(known, path)


def write_jsonl(objects: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write one JSON object a line."""
    with written_atomically(path) as unfinished:
        unfinished.write_text("".join(json.dumps(item) + "\n" for item in objects))


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
