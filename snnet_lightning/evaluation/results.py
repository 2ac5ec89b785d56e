"""One row a stitch: what it costs and, where measured, how well it does."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from snnet_lightning.atomic import written_atomically
from snnet_lightning.checked import checked
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.pareto import pareto_front
from snnet_lightning.stitch.route import Stitch, StitchSpace

if TYPE_CHECKING:  # a network is loaded without what counts FLOPs and measures accuracies
    from snnet_lightning.evaluation.cost import Cost
    from snnet_lightning.evaluation.metrics import Score


Count = Annotated[int, Field(ge=0, lt=2**63)]
Percent = Annotated[float, Field(ge=0, le=100)]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Row:
    """A line of ``stitches.jsonl``; accuracies in percent, None where only the cost was asked for.

    ``calibrated``: whether the stitch ran with BatchNorm statistics of its own; None where none did. ``memory``: bytes,
    None in files of older versions. ``latency_ms``: of the first batch size in ``latency.json``; None: not measured.
    """

    id: Count
    name: str
    flops: Count
    params: Count
    acc1: Percent | None = None
    acc5: Percent | None = None
    loss: float | None = None
    images: Count | None = None
    calibrated: bool | None = None
    memory: Count | None = None
    latency_ms: Milliseconds | None = None


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


def front_rows(rows: Sequence[Row], cost: str = "flops") -> list[Row]:
    """Those on the Pareto front of a cost (``flops`` or ``latency_ms``) and top-1, by cost; all ``rows`` have both."""
    return [rows[i] for i in pareto_front(list(map(attrgetter(cost, "acc1"), rows)))]


def known(row: Row) -> dict[str, Any]:
    """A row without what is not known of it."""
    return {key: value for key, value in asdict(row).items() if value is not None}


def as_line(row: Row) -> dict[str, Any]:
    """A row as a line of a file has it: without what was not measured, and what is not a number."""
    return {key: value for key, value in known(row).items() if not (isinstance(value, float) and math.isnan(value))}


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write one JSON object a stitch."""
    write_jsonl([as_line(row) for row in rows], path)


def read_rows(path: Path, space: StitchSpace | None = None) -> list[Row]:
    """The inverse of ``write_rows``.

    Args:
        space: the stitches that they have to be of, where these are known.

    Raises:
        InputError: a line is no row, or they are not of these stitches.
    """
    rows, make = [], checked(Row)
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            rows.append(make(**json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{path}: line {number} is no stitch with its cost") from error
    for key, what in (("acc1", "accuracies"), ("latency_ms", "latencies")):
        if len({getattr(row, key) is None for row in rows}) > 1:
            raise InputError(f"{path}: some of its stitches have {what}, and others have none")
    if space is not None and [(row.id, row.name) for row in rows] != [(stitch.id, stitch.name) for stitch in space]:
        raise InputError(f"{path}: its stitches are not those of the network")
    return rows


def write_jsonl(objects: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write one JSON object a line."""
    with written_atomically(path) as unfinished:
        unfinished.write_text("".join(json.dumps(item) + "\n" for item in objects))
