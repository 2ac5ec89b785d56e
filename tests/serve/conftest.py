"""A server in processes of its own, with a network of digits whose latencies are invented."""

import io
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import requests
import torch
from PIL import Image
from sklearn.datasets import load_digits

from snnet_lightning.anchors import create_anchors
from snnet_lightning.description import Preprocessing
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.results import stitch_rows
from snnet_lightning.latency.table import BatchLatency, Latency, StitchLatency
from snnet_lightning.network import SNNet
from snnet_lightning.serve.options import Serving
from snnet_lightning.stitch import PairedRule

SLACK = {"_target_": "snnet_lightning.serve.policy.Slack", "hysteresis": 0.1}
DIGITS = ["digits_tiny", "digits_small", "digits_base"]


def invented_latency(net: SNNet, batches: dict[int, float]) -> Latency:
    """Milliseconds as GFLOPs tell, 1 to 14 of them on digits, times a factor a batch size."""
    ms = {row.id: row.flops / 4e5 for row in net.rows}
    return Latency(
        device="invented", threads=1, input_size=net.description.input_size, precision="fp32", channels_last=False,
        compiled=False, cuda_graphs=False, versions={}, date="2026-01-01", batches=tuple(
            BatchLatency(batch=batch, stitches=tuple(
                StitchLatency(id=row.id, name=row.name, ms=factor * ms[row.id], low=factor * ms[row.id],
                              high=factor * ms[row.id]) for row in net.rows
            )) for batch, factor in batches.items()
        ),
    )  # fmt: skip


def digits_network() -> SNNet:
    return invented_network(DIGITS, (1, 8, 8))


def invented_network(names: list[str], input_size: tuple[int, int, int]) -> SNNet:
    """With invented accuracies, that grow with FLOPs, and latencies; its stitching layers are random."""
    torch.manual_seed(0)
    mean, std = ((value,) * input_size[0] for value in (0.3, 0.4))
    preprocessing = Preprocessing(mean=mean, std=std, interpolation="bilinear", crop_pct=1.0)
    anchors = create_anchors(names, input_size, 10, "pretrained" if names == DIGITS else "random")
    net = SNNet(anchors, PairedRule(), preprocessing=preprocessing, class_names=list(map(str, range(10)))).eval()
    rows = stitch_rows(stitch_costs(net))
    most = max(row.flops for row in rows)
    net.rows = [replace(row, acc1=90 + 9 * row.flops / most, acc5=99.0, loss=0.1, images=540) for row in rows]
    net.latency = invented_latency(net, {1: 1.0, 8: 4.0})
    return net


@pytest.fixture(scope="session")
def network_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "snnet"
    digits_network().save_pretrained(folder)
    return folder


@cache
def digits() -> np.ndarray:
    return np.uint8(load_digits().images * 255 / 16)


def png(number: int = 0, side: int | None = None) -> bytes:
    """A digit as the bytes of a PNG file."""
    image = Image.fromarray(digits()[number])
    return encoded(image if side is None else image.resize((side, side)), "PNG")


def encoded(image: Image.Image, format: str) -> bytes:
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


class Server:
    """A running one: its address, its processes, and what it has printed."""

    def __init__(self, process: subprocess.Popen, port: int, printed: Path):
        self.process, self.url, self.printed = process, f"http://127.0.0.1:{port}", printed

    def predict(self, body: bytes, kind: str = "image/png", **asked) -> requests.Response:
        return requests.post(f"{self.url}/predict", body, params=asked, headers={"Content-Type": kind}, timeout=60)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}/{path}", timeout=10)

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + 90
        while time.monotonic() < end:
            assert self.process.poll() is None, self.printed.read_text()
            try:
                if self.get("health").status_code == 200:
                    return
            except requests.ConnectionError:
                time.sleep(0.2)
        raise TimeoutError(self.printed.read_text())


def free_port() -> int:
    """A port that nobody has, out of those that systems do not hand out by themselves."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)):
                return port


@contextmanager
def running(folder: Path, printed: Path, policy: dict | None = None, **options) -> Iterator[Server]:
    """A server of the network in ``folder``, ended by Ctrl-C."""
    server = start(folder, printed, policy, **options)
    try:
        server.wait()
        yield server
    finally:
        server.process.send_signal(signal.SIGINT)
        server.process.wait(30)


def start(folder: Path, printed: Path, policy: dict | None = None, **options) -> Server:
    """A server that is about to start."""
    port = free_port()
    serving = {"folder": str(folder), "slo_ms": 200.0, "port": port, **options}
    policy = {**SLACK, "max_batch": Serving(**serving).max_batch} if policy is None else policy
    told = json.dumps({"options": serving, "policy": policy})
    with printed.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "snnet_lightning.serve.run", told], stdout=file, stderr=file)
    return Server(process, port, printed)


@pytest.fixture(scope="module")
def server(network_folder, tmp_path_factory) -> Iterator[Server]:
    with running(network_folder, tmp_path_factory.mktemp("server") / "printed.txt") as one:
        yield one


@pytest.fixture(scope="session")
def predictions(network_folder) -> Callable[[int, int], int]:
    """The class that the network itself, loaded here, gives a digit by a stitch."""
    import snnet_lightning

    net = snnet_lightning.load(network_folder)

    def predicted(number: int, stitch: int) -> int:
        pixels = digits()[number]
        images = (torch.tensor(pixels[None, None]) / 255 - net.preprocessing.mean[0]) / net.preprocessing.std[0]
        with torch.inference_mode():
            return int(net(images.float(), stitch).argmax())

    return predicted
