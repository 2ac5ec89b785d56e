"""How far the additive model of latency is from stitches timed as a whole, and whether measuring again ranks alike.

Run with ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_latency.py``; prints, asserts nothing about time.
"""

from itertools import pairwise

import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.latency.additive import rank_correlation
from snnet_lightning.latency.measure import Measurement, measure_latency
from snnet_lightning.network import SNNet
from snnet_lightning.stitch.fitting import FittingRule

FAMILIES = {
    "digits": (["digits_tiny", "digits_small", "digits_base"], (1, 8, 8), 10, 20),
    "ResNet-18/50": (["resnet18", "resnet50"], (3, 224, 224), 1000, 8),
    "DeiT-Ti/S/B": ([f"deit_{size}_patch16_224" for size in ("tiny", "small", "base")], (3, 224, 224), 1000, 5),
}


@pytest.mark.benchmark
@pytest.mark.parametrize("name", FAMILIES)
def test_error_and_repetition(name):
    anchors, input_size, classes, rounds = FAMILIES[name]
    torch.manual_seed(0)
    net = SNNet(create_anchors(anchors, input_size, classes, "random"), FittingRule()).eval()
    # The constant is fitted on a third of the others where there are few.
    fitted, held_out = (5, 10) if len(net.space) > 15 else (3, len(net.space) - 4)
    how = Measurement(batch=[1, 8], rounds=rounds, fitted=fitted, held_out=held_out, most_error=1e6)
    twice = [measure_latency(net, how) for _ in range(2)]
    for place, batch in enumerate(how.batch):
        models = [latency.batches[place].model for latency in twice]
        found = [(m.mean_error, m.worst_error, m.rank_correlation) for m in models]
        told = " and ".join(f"{mean:.1f} % mean, {worst:.1f} % worst, rank {rank:.3f}" for mean, worst, rank in found)
        ((one, other),) = pairwise([stitch.ms for stitch in latency.batches[place].stitches] for latency in twice)
        apart = max(abs(a - b) / b for a, b in zip(one, other, strict=True))
        print(
            f"\n{name}, batch {batch}, {min(one):.3g} to {max(one):.3g} ms: {told}; "
            f"ranked twice {rank_correlation(one, other):.3f}, apart by {100 * apart:.1f} % at most"
        )
