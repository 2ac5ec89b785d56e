"""T(stitch) = constant + sum of its parts."""

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
import torch
from torchmetrics.functional.regression import spearman_corrcoef

from snnet_lightning.latency.table import AdditiveModel
from snnet_lightning.stitch.route import Part, Stitch


def covering(stitches: Sequence[Stitch]) -> list[Stitch]:
    """A few stitches that together run every part that all of them run."""
    missing = {part for stitch in stitches for part in stitch.route}
    chosen = []
    while missing:
        chosen.append(max(stitches, key=lambda stitch: len(missing.intersection(stitch.route))))
        missing.difference_update(chosen[-1].route)
    return chosen


def spread(stitches: Sequence[Stitch], fitted: int, held_out: int) -> tuple[list[Stitch], list[Stitch]]:
    """Two sets of stitches at even steps through ``stitches``, none in both: to fit on, and to hold out."""
    places = np.linspace(0, len(stitches) - 1, fitted + held_out).round().astype(int)
    to_fit = {places[i] for i in np.linspace(0, len(places) - 1, fitted).round().astype(int)}
    chosen = [stitches[place] for place in places if place in to_fit]
    return chosen, [stitches[place] for place in places if place not in to_fit]


def sums(parts: Mapping[Part, float], stitches: Sequence[Stitch]) -> dict[int, float]:
    """The parts of every stitch added up, by id."""
    return {stitch.id: sum(parts[part] for part in stitch.route) for stitch in stitches}


def fitted_model(
    sums: Mapping[int, float], ends: Mapping[int, float], fitted: Sequence[Stitch], held_out: Sequence[Stitch]
) -> AdditiveModel:
    """The constant that fits ``fitted``, and the error on ``held_out``.

    Args:
        sums: milliseconds of the parts, added up, by id.
        ends: milliseconds of stitches timed end to end, by id.
    """
    constant = median(ends[stitch.id] - sums[stitch.id] for stitch in fitted)
    told = np.array([constant + sums[stitch.id] for stitch in held_out])
    measured = np.array([ends[stitch.id] for stitch in held_out])
    errors = 100 * np.abs(told - measured) / measured
    return AdditiveModel(
        constant_ms=constant,
        fitted_on=tuple(stitch.id for stitch in fitted),
        held_out=tuple(stitch.id for stitch in held_out),
        mean_error=float(errors.mean()),
        worst_error=float(errors.max()),
        rank_correlation=rank_correlation(told, measured),
    )


def rank_correlation(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float | None:
    """Spearman's; None where all of one are equal."""
    if min(map(len, map(set, (one, other)))) == 1:
        return None
    return float(spearman_corrcoef(*(torch.as_tensor(np.array(x), dtype=torch.float64) for x in (one, other))))
