"""Choose a stitch by what it may cost, from a table alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from snnet_lightning.errors import InputError

UNITS = {"flops": "FLOPs", "params": "parameters", "memory": "bytes", "latency_ms": "ms"}

UNKNOWN_LATENCY = "no latency is known; python -m snnet_lightning.latency ckpt_path=FOLDER measures it"
UNKNOWN_COST = "is not in this table; evaluate.py makes one that has it"


@dataclass(frozen=True, match_args=False)  # so that type checkers take rows that cannot be changed
class Measured(Protocol):
    """What a row of the table says of a stitch; None: unknown."""

    id: Any
    name: Any
    flops: Any
    params: Any
    memory: Any
    latency_ms: Any
    acc1: Any


Line = TypeVar("Line", bound=Measured)


def select(
    rows: Sequence[Line],
    *,
    flops: float | None = None,
    params: float | None = None,
    memory: float | None = None,
    latency_ms: float | None = None,
) -> Line:
    """The row of the most accurate stitch that fits every budget; of equals, the one of the fewest FLOPs.

    Args:
        rows: of ``stitches.jsonl``, as ``net.rows`` has them.
        flops: multiply-accumulates of one image, at most.
        params: parameters that run, at most.
        memory: bytes for one image, at most.
        latency_ms: measured milliseconds, at most.

    Raises:
        InputError: no budget is given, one is no amount, or not of what the table knows; none fits: it names the
            cheapest.
    """
    amounts = {"flops": flops, "params": params, "memory": memory, "latency_ms": latency_ms}
    budgets = {measure: most for measure, most in amounts.items() if most is not None}
    for measure, most in budgets.items():
        if not most > 0:
            raise InputError(f"{measure}={most:g}: must be above 0")
    if not budgets:
        raise InputError(f"no budget is given: set {', '.join(UNITS)}")
    if not rows or any(row.acc1 is None for row in rows):
        raise InputError("accuracies are unknown, so no stitch can be chosen by a budget; evaluate.py measures them")
    for measure, most in budgets.items():
        if any(getattr(row, measure) is None for row in rows):
            why = UNKNOWN_LATENCY if measure == "latency_ms" else UNKNOWN_COST
            raise InputError(f"{measure}={most:g}: {why}")
    fitting = [row for row in rows if all(getattr(row, measure) <= most for measure, most in budgets.items())]
    if not fitting:
        raise InputError(_none_fits(rows, budgets))
    return min(fitting, key=lambda row: (-row.acc1, row.flops, row.id))


def _none_fits(rows: Sequence[Measured], budgets: Mapping[str, float]) -> str:
    """Which stitch comes closest: the cheapest by the budget that no stitch meets, or by the first of several."""
    unmet = [m for m, most in budgets.items() if all(getattr(row, m) > most for row in rows)]
    measure = next(iter(unmet or budgets))
    cheapest = min(rows, key=lambda row: (getattr(row, measure), row.id))
    asked = ", ".join(f"{m}={most:g}" for m, most in budgets.items())
    needs = ", ".join(f"{_amount(getattr(cheapest, m))} {UNITS[m]}" for m in (budgets if not unmet else [measure]))
    return f"{asked}: no stitch fits; the cheapest, {cheapest.name}, needs {needs}"


def _amount(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
