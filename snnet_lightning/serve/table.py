"""What a server knows of its stitches: read from the folder of the network, without the network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnet_lightning.description import ORIGIN, Description, read_description
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import Row, as_line, front_rows, read_rows
from snnet_lightning.latency.table import Latency, read_latency
from snnet_lightning.network_folder import LATENCY, STITCHES, read_config
from snnet_lightning.serve.policy import Profile


@dataclass(frozen=True)
class ServedTable:
    """The stitches that are served; ``latency`` is None where it was not measured."""

    description: Description
    rows: list[Row]
    latency: Latency | None

    @classmethod
    def of(cls, folder: Path, where: str) -> "ServedTable":
        """That of the folder of a saved network.

        Raises:
            InputError: it is none, or no accuracies are known.
        """
        config = read_config(folder, where)
        config.pop(ORIGIN, None)
        description = read_description(config, where)
        path = folder / STITCHES
        rows = read_rows(path) if path.is_file() else []
        if not rows or rows[0].acc1 is None:
            raise InputError(f"{where}: no accuracies are known; evaluate.py leaves a folder snnet that has them")
        timed, stitches = folder / LATENCY, [(row.id, row.name) for row in rows]
        latency = read_latency(timed, stitches, description.input_size) if timed.is_file() else None
        return cls(description, rows, latency)

    @property
    def profiles(self) -> list[Profile]:
        """For policies."""
        measured = {b.batch: self.latency.at(b.batch) for b in self.latency.batches} if self.latency else {}
        return [
            Profile(row.id, row.name, row.acc1, {batch: ms[row.id] for batch, ms in measured.items()})
            for row in self.rows
            if row.acc1 is not None  # which ``of`` saw to
        ]

    @property
    def classes(self) -> list[str]:
        """Names in the order of the logits; numbers where none are known."""
        return [*(self.description.class_names or map(str, range(self.description.num_classes)))]

    def as_data(self) -> list[dict[str, Any]]:
        """A stitch each: what a row has, latency by batch size, and whether it is an anchor or on the front."""
        front = {row.id for row in front_rows(self.rows)}
        anchors = {anchor.alias for anchor in self.description.anchors}
        latency = {profile.id: {str(batch): ms for batch, ms in profile.ms.items()} for profile in self.profiles}
        return [
            {**as_line(row), "latency": latency[row.id], "anchor": row.name in anchors, "front": row.id in front}
            for row in self.rows
        ]
