"""One row a stitch: what it costs and, where measured, how well it does."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from snnet_lightning.atomic import written_atomically
from snnet_lightning.evaluation.cost import Cost
from snnet_lightning.evaluation.metrics import Score
from snnet_lightning.stitch.route import Stitch


@dataclass(frozen=True)
class Row:
    """A line of ``stitches.jsonl``; accuracies in percent, None where only the cost was asked for.

    ``calibrated``: whether the stitch ran with BatchNorm statistics of its own; None where none did.
    """

    id: int
    name: str
    flops: int
    params: int
    acc1: float | None = None
    acc5: float | None = None
    loss: float | None = None
    images: int | None = None
    calibrated: bool | None = None


def stitch_rows(
    costs: Mapping[Stitch, Cost], scores: Sequence[Score] | None = None, calibrated: Collection[int] = ()
) -> list[Row]:
    """Rows in the order of ``costs``, which is that of ``scores``; ``calibrated``: ids."""
    return [
        Row(
            s.id,
            s.name,
            **asdict(cost),
            **(asdict(scores[i]) if scores else {}),
            calibrated=s.id in calibrated if calibrated else None,
        )
        for i, (s, cost) in enumerate(costs.items())
    ]


def known(row: Row) -> dict[str, Any]:
    """A row without what is not known of it."""
    return {key: value for key, value in asdict(row).items() if value is not None}


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one JSON object a stitch; what was not measured, and what is not a number, is left out."""
    write_jsonl([{k: v for k, v in known(row).items() if not _is_nan(v)} for row in rows], path)


def write_jsonl(objects: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write one JSON object a line."""
    with written_atomically(path) as unfinished:
        unfinished.write_text("".join(json.dumps(item) + "\n" for item in objects))


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
