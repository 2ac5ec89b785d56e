"""What was measured of the latency of all stitches, and on what: ``latency.json``."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, ValidationError, model_validator

from snnet_lightning.atomic import written_atomically
from snnet_lightning.budget import UNKNOWN_LATENCY
from snnet_lightning.checked import explain
from snnet_lightning.description import Part, Words
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import Milliseconds, Row

MOST_STITCHES, MOST_BATCH = 100_000, 65_536
Percent = Annotated[float, Field(ge=0)]


class StitchLatency(Part):
    """Median and quartiles, in milliseconds."""

    id: int = Field(ge=0)
    name: str
    ms: Milliseconds
    low: Milliseconds
    high: Milliseconds


class AdditiveModel(Part):
    """T(stitch) = constant + sum of its parts, and how far that is from stitches that it was not fitted on.

    Errors are percent of the measured latency.
    """

    constant_ms: float
    fitted_on: tuple[int, ...]
    held_out: tuple[int, ...]
    mean_error: Percent
    worst_error: Percent
    rank_correlation: Annotated[float, Field(ge=-1, le=1)] | None


class BatchLatency(Part):
    """All stitches at one batch size, by the additive model or, where there is none, each timed by itself."""

    batch: int = Field(gt=0, le=MOST_BATCH)
    model: AdditiveModel | None = None
    stitches: tuple[StitchLatency, ...] = Field(min_length=1, max_length=MOST_STITCHES)


class Latency(Part):
    """Latencies of the stitches of a network on one device.

    Args:
        device: its name.
        threads: of PyTorch on a CPU; None on a GPU.
        input_size: (channels, height, width) of the images.
        date: of the measurement, ISO 8601.
        batches: one a batch size, as they were asked for.
    """

    format: Literal[1] = 1
    device: Words
    threads: PositiveInt | None
    input_size: tuple[PositiveInt, PositiveInt, PositiveInt]
    precision: Literal["fp32", "bf16", "fp16"]
    channels_last: bool
    compiled: bool
    cuda_graphs: bool
    versions: dict[Words, Words]
    date: Words
    batches: tuple[BatchLatency, ...] = Field(min_length=1, max_length=64)

    @model_validator(mode="after")
    def _of_one_network(self) -> "Latency":
        sizes = [measured.batch for measured in self.batches]
        if len(set(sizes)) < len(sizes):
            raise ValueError("a batch size stands there twice")
        if len({tuple((s.id, s.name) for s in measured.stitches) for measured in self.batches}) > 1:
            raise ValueError("its batch sizes are of different stitches")
        return self

    @property
    def in_words(self) -> str:
        """What the milliseconds of a row are of: of the first batch size."""
        threads = f" with {self.threads} thread{'s' if self.threads > 1 else ''}" if self.threads else ""
        how = [name for name in ("channels_last", "compiled", "cuda_graphs") if getattr(self, name)]
        return ", ".join([f"a batch of {self.batches[0].batch} on {self.device}{threads}", self.precision, *how])

    def at(self, batch: int | None = None) -> dict[int, float]:
        """Milliseconds by id at a batch size that was measured, the first one if None.

        Raises:
            InputError: it was not.
        """
        found = [measured for measured in self.batches if batch in (None, measured.batch)]
        if not found:
            sizes = ", ".join(str(measured.batch) for measured in self.batches)
            raise InputError(f"batch={batch}: latency was measured at batch sizes of {sizes}")
        return {stitch.id: stitch.ms for stitch in found[0].stitches}


def with_latency(rows: Sequence[Row], latency: Latency | None, batch: int | None = None) -> list[Row]:
    """The rows with what was measured at a batch size, the first one if None."""
    if latency is None and batch is None:
        return [*rows]
    if latency is None:
        raise InputError(f"batch={batch}: {UNKNOWN_LATENCY}")
    measured = latency.at(batch)
    return [replace(row, latency_ms=measured[row.id]) for row in rows]


def write_latency(latency: Latency, path: Path) -> None:
    """Write what ``read_latency`` reads."""
    with written_atomically(path) as unfinished:
        unfinished.write_text(json.dumps(latency.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")


def read_latency(path: Path, stitches: Sequence[tuple[int, str]], input_size: Sequence[int]) -> Latency:
    """The inverse of ``write_latency``.

    Args:
        stitches: id and name of those of the network.
        input_size: of the network.

    Raises:
        InputError: it is no such file, or of another network.
    """
    try:
        latency = Latency.model_validate_json(path.read_bytes())
    except ValidationError as error:
        key, given, right = explain(error)
        raise InputError(f"{path}: {f'{key}={given!r:.80}: ' if key else ''}{right}") from error
    if [(stitch.id, stitch.name) for stitch in latency.batches[0].stitches] != [*stitches]:
        raise InputError(f"{path}: its stitches are not those of the network")
    if latency.input_size != tuple(input_size):
        raise InputError(
            f"{path}: was measured on images of {latency.input_size}; the network's are {tuple(input_size)}"
        )
    return latency
