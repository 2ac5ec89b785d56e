"""What a decision costs, and what a server takes of memory beside the network itself.

Run with ``python -m pytest -n 0 -m benchmark -s tests/benchmarks/test_serving.py``; prints, asserts nothing about time.
"""

import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from snnet_lightning.serve.line import Line
from snnet_lightning.serve.policy import Profile, Slack
from snnet_lightning.serve.requests import Request
from tests.serve.conftest import invented_network, png, running
from tests.serve.test_server import tree

DEIT = [f"deit_{size}_patch16_224" for size in ("tiny", "small", "base")]
ALONE = """
import os, sys, torch, snnet_lightning
net = snnet_lightning.load(sys.argv[1])
with torch.inference_mode():
    for stitch in net.space if sys.argv[2] == "all" else [net.space.anchors[-1]]:
        net(torch.zeros(8, *net.description.input_size), stitch)
print(open(f"/proc/{os.getpid()}/smaps_rollup").read())
"""


def proportional(text: str) -> float:
    """Bytes that are a process's own, and its share of those that it shares."""
    (kb,) = re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return 1024 * int(kb)


@pytest.mark.benchmark
def test_what_a_decision_costs():
    profiles = [Profile(i, f"s{i}", 50 + i / 2, {1: 5.0 + i, 8: 20.0 + 4 * i}) for i in range(71)]
    policy, draw = Slack(profiles, 8), np.random.default_rng(0)
    for waiting in (0, 10, 100, 1000):
        line = Line()
        for i in range(waiting + 8):
            line.add(0, str(i), Request(10 + draw.random(), np.zeros(1), None))
        batch = line.take(8, feasible=0.0)
        times = []
        for i in range(2000):
            start = time.perf_counter()
            slack, place = line.most_urgent(batch, now=9.9 + i / 5000, most=8)
            policy.choose(1e3 * slack, place, 8)
            times.append(1e6 * (time.perf_counter() - start))
        print(
            f"\n71 stitches, {waiting} waiting: {median(times):.1f} us a decision, p99 {np.percentile(times, 99):.1f}"
        )


@pytest.mark.benchmark
def test_memory_of_a_server(tmp_path):
    net = invented_network(DEIT, (3, 224, 224))
    net.save_pretrained(tmp_path / "net")
    stitches = len(net.space)
    del net
    alone = {}
    for which in ("largest", "all"):
        words = [sys.executable, "-c", ALONE, str(tmp_path / "net"), which]
        alone[which] = proportional(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    with running(tmp_path / "net", tmp_path / "printed.txt", slo_ms=60_000.0) as server:
        for stitch in range(stitches):
            assert server.predict(png(3, 224), stitch=stitch).status_code == 200
        server_bytes = [proportional(Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in tree(server.process.pid)]
    told = {name: f"{size / 1e6:.0f} MB" for name, size in alone.items()}
    print(
        f"\nDeiT-Ti/S/B, {stitches} stitches: the network by itself {told['largest']} with its largest anchor run, "
        f"{told['all']} with all stitches run; the server with all stitches run {sum(server_bytes) / 1e6:.0f} MB, of "
        f"which its worker {max(server_bytes) / 1e6:.0f}; ratio {sum(server_bytes) / alone['largest']:.3f}"
    )
