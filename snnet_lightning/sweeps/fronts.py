"""Pareto fronts of a sweep: one a setting, over its seeds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnet_lightning.evaluation.pareto import pareto_front
from snnet_lightning.sweeps.overrides import labels_of, setting_of
from snnet_lightning.sweeps.record import Job

STITCHES = "stitches.jsonl"


@dataclass(frozen=True)
class Front:
    """The best top-1 accuracy (percent) that so many FLOPs buy: its mean, lowest and highest over the jobs."""

    label: str
    jobs: int
    flops: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def front_of(path: Path) -> np.ndarray:
    """The Pareto front of a ``stitches.jsonl``, as (FLOPs, top-1) rows by FLOPs; empty if nothing was measured."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    points = [(row["flops"], row["acc1"]) for row in rows if "acc1" in row]
    return np.array([points[i] for i in pareto_front(points)]).reshape(-1, 2)


def fronts_of(jobs: Sequence[Job]) -> list[Front]:
    """One front a setting, in the order of the jobs; jobs that failed or measured nothing are left out."""
    settings: dict[tuple[tuple[str, str], ...], list[np.ndarray]] = {}
    for job in jobs:
        front = front_of(job.directory / STITCHES) if job.succeeded else np.empty((0, 2))
        if len(front):
            settings.setdefault(tuple(setting_of(job.overrides).items()), []).append(front)
    labels = labels_of([dict(setting) for setting in settings])
    return [over_seeds(label, fronts) for label, fronts in zip(labels, settings.values(), strict=True)]


def over_seeds(label: str, fronts: Sequence[np.ndarray]) -> Front:
    """Compare fronts, which are step functions, at every budget at which one of them steps and all are defined."""
    budgets = np.unique(np.concatenate([front[:, 0] for front in fronts]))
    budgets = budgets[budgets >= max(front[0, 0] for front in fronts)]
    best = np.stack([front[np.searchsorted(front[:, 0], budgets, side="right") - 1, 1] for front in fronts])
    return Front(label, len(fronts), budgets, best.mean(axis=0), best.min(axis=0), best.max(axis=0))
