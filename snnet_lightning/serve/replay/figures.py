"""What a replay comes to, in a few numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snnet_lightning.serve.replay.client import Outcome


@dataclass(frozen=True)
class Figures:
    """One policy under one traffic.

    Args:
        policy: ``slack``, or the name of the stitch that served all.
        requests: that were sent.
        lost: without an answer, or refused.
        attainment: percent of the requests that were answered within the objective.
        accuracy: mean top-1, in percent, of the stitches that answered, by the network's own table.
        top1: percent of right answers, where the classes of the images are known.
        p50_ms, p99_ms: of the answers.
        throughput: answers per second, until the last one.
        stitches: answers by the id of the stitch.
    """

    policy: str
    requests: int
    lost: int
    attainment: float
    accuracy: float | None
    top1: float | None
    p50_ms: float | None
    p99_ms: float | None
    throughput: float
    stitches: dict[int, int]


def figures_of(policy: str, outcomes: Sequence[Outcome], slo_ms: float, accuracies: Mapping[int, float]) -> Figures:
    """Those of some outcomes.

    Args:
        slo_ms: the objective.
        accuracies: top-1 in percent by the id of a stitch.
    """
    served = [outcome for outcome in outcomes if outcome.status == 200]
    ms = np.array([outcome.ms for outcome in served])
    known = [outcome.right for outcome in served if outcome.right is not None]
    stitches = [outcome.stitch for outcome in served if outcome.stitch is not None]
    last = max((outcome.due + outcome.ms / 1e3 for outcome in served), default=0.0)
    return Figures(
        policy=policy,
        requests=len(outcomes),
        lost=len(outcomes) - len(served),
        attainment=100 * float((ms <= slo_ms).sum()) / len(outcomes),
        accuracy=float(np.mean([accuracies[stitch] for stitch in stitches])) if served else None,
        top1=100 * sum(known) / len(known) if known else None,
        p50_ms=float(np.percentile(ms, 50)) if served else None,
        p99_ms=float(np.percentile(ms, 99)) if served else None,
        throughput=len(served) / last if last else 0.0,
        stitches=dict(Counter(stitches)),
    )
