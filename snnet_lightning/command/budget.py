"""A stitch chosen by what it may cost, on the command line."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import PositiveFloat, PositiveInt

from snnet_lightning.budget import UNKNOWN_LATENCY, select
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import Row
from snnet_lightning.latency.table import with_latency

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Budget:
    """What a stitch may cost, as of ``SNNet.select``; nothing is chosen where all is None.

    Args:
        batch: of ``latency_ms``, of those that were measured; None: the first of them.
    """

    flops: PositiveFloat | None = None
    params: PositiveFloat | None = None
    memory: PositiveFloat | None = None
    latency_ms: PositiveFloat | None = None
    batch: PositiveInt | None = None

    def __post_init__(self):
        if self.batch is not None and self.latency_ms is None:
            raise InputError(f"budget.batch={self.batch}: is that of budget.latency_ms, which is not given")

    def __bool__(self) -> bool:
        return any(value is not None for value in asdict(self).values())

    def __str__(self) -> str:
        return " ".join(f"budget.{key}={value:g}" for key, value in asdict(self).items() if value is not None)

    def require_known(self, latency: Any) -> None:
        """Refuse, before anything is evaluated, a budget of milliseconds that nobody measured.

        Raises:
            InputError: no latency is known, or not of this batch size.
        """
        if self.latency_ms is not None:
            if latency is None:
                raise InputError(f"{self}: {UNKNOWN_LATENCY}")
            latency.at(self.batch)

    def tell(self, rows: Sequence[Row], latency: Any = None) -> None:
        """Say which stitch is chosen, or that none fits; arguments as of ``selected``."""
        if not self:
            return
        try:
            row = self.selected(rows, latency)
        except InputError as error:  # the evaluation is done, and its results are there
            log.warning("%s", error)
        else:
            log.info("%s: stitch %d, %s, with a top-1 of %.2f %%", self, row.id, row.name, row.acc1)

    def selected(self, rows: Sequence[Row], latency: Any = None) -> Row:
        """The row that is chosen.

        Args:
            rows: of all stitches.
            latency: of the network, or None.

        Raises:
            InputError: none fits, or what decides is not known.
        """
        budgets = asdict(self)
        batch = budgets.pop("batch")
        try:
            return select(rows if batch is None else with_latency(rows, latency, batch), **budgets)
        except InputError as error:
            raise InputError(
                f"budget.{error}" if str(error).startswith(tuple(budgets)) else f"{self}: {error}"
            ) from error
