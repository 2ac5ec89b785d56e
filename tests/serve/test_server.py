"""A server over HTTP, in processes of its own."""

import asyncio
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from PIL import Image
from starlette.requests import ClientDisconnect

from snnet_lightning.serve.options import Serving
from snnet_lightning.serve.requests import Request, RequestError
from snnet_lightning.serve.server import StitchServer
from tests.serve.conftest import Server, encoded, png, running, start
from tests.serve.test_upload import bomb

OPTIONS = {"slo_ms": 200.0, "max_bytes": 1_000_000}


@pytest.fixture(scope="module")
def server(network_folder, tmp_path_factory) -> Iterator[Server]:
    with running(network_folder, tmp_path_factory.mktemp("server") / "printed.txt", **OPTIONS) as one:
        yield one


BAD = {
    "not an image": (b"what is this", "image/png", {}, 400),
    "empty": (b"", "image/png", {}, 400),
    "1x1": (encoded(Image.new("L", (1, 1)), "PNG"), "image/png", {}, 422),
    "20,000 x 20,000": (bomb(20_000, 20_000), "image/png", {}, 413),
    "truncated": (png(0, 64)[:-60], "image/png", {}, 400),
    "wrong content type": (png(), "text/plain", {}, 415),
    "another image": (png(), "image/jpeg", {}, 400),
    "unknown stitch": (png(), "image/png", {"stitch": "nobody"}, 422),
    "a stitch beyond": (png(), "image/png", {"stitch": 35}, 422),
    "a path for a stitch": (png(), "image/png", {"stitch": "/etc/passwd"}, 422),
    "negative budget": (png(), "image/png", {"max_latency_ms": -1}, 422),
    "no budget": (png(), "image/png", {"max_latency_ms": "soon"}, 422),
    "not a number": (png(), "image/png", {"max_latency_ms": "nan"}, 422),
    "a stitch that ends the line": (png(), "image/png", {"stitch": "a\nb"}, 422),
    "unknown option": (png(), "image/png", {"file": "/etc/passwd"}, 422),
    "too many bytes": (b"\0" * 1_000_001, "image/png", {}, 413),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_end_in_one_line(server, name):
    body, kind, asked, status = BAD[name]
    answer = server.predict(body, kind, **asked)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert "\n" not in answer.json()["error"]


def test_a_body_without_an_end_is_read_no_further_than_allowed(server):
    sent = 0

    def endless():
        nonlocal sent
        while sent < 100_000_000:
            sent += 65_536
            yield b"\0" * 65_536

    try:
        headers = {"Content-Type": "image/png"}
        status = requests.post(f"{server.url}/predict", endless(), headers=headers, timeout=60).status_code
    except requests.ConnectionError:  # the server has closed it, and not all of the answer was read
        status = 413
    assert status == 413
    assert sent < 50_000_000
    assert server.get("health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "nothing", 404),
        ("get", "predict", 405),
        ("post", "stitches", 405),
        ("get", "docs", 404),
        ("get", "openapi.json", 404),
        ("get", "../../etc/passwd", 404),
    ],
)
def test_other_addresses(server, method, path, status):
    answer = getattr(requests, method)(f"{server.url}/{path}", timeout=10)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_an_answer_is_that_of_the_network(server, predictions):
    for number in range(20):
        answer = server.predict(png(number), stitch=number)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["stitch"]["id"] == number
        assert told["classes"][0]["name"] == str(predictions(number, number))
        assert told["why"] == "asked for"
        chances = [each["probability"] for each in told["classes"]]
        assert len(chances) == 5
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) <= 1.00001


def test_a_stitch_by_its_name(server):
    name = server.get("stitches").json()["stitches"][7]["name"]
    assert server.predict(png(), stitch=name).json()["stitch"]["id"] == 7


def test_more_time_is_more_accuracy(server):
    accuracies = [server.predict(png(), max_latency_ms=ms).json()["stitch"]["acc1"] for ms in (1, 5000)]
    best = max(stitch["acc1"] for stitch in server.get("stitches").json()["stitches"])
    assert accuracies[0] < best
    assert accuracies[1] == best


def test_what_comes_at_once_runs_at_once(server, predictions):
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda number: server.predict(png(number), stitch=4), range(72)))
    assert {answer.status_code for answer in answers} == {200}
    for number, answer in enumerate(answers):
        assert answer.json()["classes"][0]["name"] == str(predictions(number, 4))
    assert max(answer.json()["batch"] for answer in answers) > 1


def test_stitches_are_told_with_what_they_cost(server):
    told = server.get("stitches").json()
    assert told["slo_ms"] == 200
    assert len(told["stitches"]) == 35
    base = next(stitch for stitch in told["stitches"] if stitch["name"] == "digits_base")
    assert base["anchor"]
    assert base["latency"]["8"] == pytest.approx(4 * base["latency"]["1"])
    assert {"flops", "params", "memory", "acc1", "front"} <= set(base)


def metric(server: Server, name: str) -> float:
    (value,) = re.findall(rf"^{re.escape(name)} (.+)$", server.get("metrics").text, re.MULTILINE)
    return float(value)


def test_metrics_count_what_was_served(server):
    server.predict(png(), stitch=3)
    server.predict(b"no image")
    names = ['snnet_requests_total{status="200"}', 'snnet_requests_total{status="400"}',
             'snnet_stitch_requests_total{stitch="3"}', "snnet_request_seconds_count"]  # fmt: skip
    before = [metric(server, name) for name in names]
    for _ in range(5):
        server.predict(png(), stitch=3)
    server.predict(b"no image")
    after = [metric(server, name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [5, 1, 5, 5]
    assert metric(server, "snnet_waiting") == 0


def test_what_was_of_late(server):
    server.predict(png())
    time.sleep(1.2)
    seconds = server.get("recent").json()["seconds"]
    assert sum(second["answered"] for second in seconds) > 0
    assert all({"p50_ms", "p99_ms", "in_time", "accuracy", "stitches"} <= set(s) for s in seconds if s["answered"])


def spawned(pid: int) -> list[int]:
    """Processes under the first one of a server that have the network: the others are forks."""
    return [child for child in tree(pid)[1:] if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_who_is_killed_the_worker_comes_back_and_what_speaks_http_ends_it_all(network_folder, tmp_path, predictions):
    with running(network_folder, tmp_path / "printed.txt", retry_s=0.3) as server:
        assert server.get("health").json() == {"status": "ok", "workers": 1, "ready": 1, "restarts": 0}
        (worker,) = spawned(server.process.pid)
        with ThreadPoolExecutor(40) as pool:
            answers = [pool.submit(server.predict, png(number), stitch=4) for number in range(120)]
            os.kill(worker, signal.SIGKILL)
            assert not all(answer.done() for answer in answers)
            states, end = [], time.monotonic() + 60
            while time.monotonic() < end and not ("restarting" in states and states[-1] == "ok"):
                states.append(server.get("health").json()["status"])
                time.sleep(0.1)
            found = [answer.result() for answer in answers]
        assert {answer.status_code for answer in found} == {200}
        assert all(a.json()["classes"][0]["name"] == str(predictions(n, 4)) for n, a in enumerate(found))
        assert server.get("health").json() == {"status": "ok", "workers": 1, "ready": 1, "restarts": 1}
        assert "restarting" in states
        assert metric(server, "snnet_worker_restarts") == 1
        # And it ends if nobody can speak to it any more.
        (speaks,) = [pid for pid in tree(server.process.pid) if has_event_loop(pid)]
        os.kill(speaks, signal.SIGKILL)
        assert server.process.wait(60) == 1
        assert server.printed.read_text().splitlines()[-1] == "error: the process that speaks HTTP died"


def has_event_loop(pid: int) -> bool:
    return any("eventpoll" in os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir())


def test_a_start_without_any_worker_ends_in_a_line(network_folder, tmp_path):
    damaged = tmp_path / "snnet"
    shutil.copytree(network_folder, damaged)
    (damaged / "model.safetensors").write_bytes(b"what is this")
    server = start(damaged, tmp_path / "printed.txt")
    assert server.process.wait(60) == 1
    told = server.printed.read_text().splitlines()
    assert len(told) == 2
    assert "model.safetensors" in told[0]
    assert told[1] == f"error: no worker came up with {damaged}"


def test_a_start_ends_if_its_worker_is_killed(network_folder, tmp_path):
    server = start(network_folder, tmp_path / "printed.txt")
    end = time.monotonic() + 60
    while not (pids := spawned(server.process.pid)) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(pids[0], signal.SIGKILL)
    assert server.process.wait(60) == 1
    assert server.printed.read_text() == f"error: no worker came up with {network_folder}\n"


class DeadlyQueue:
    """Every worker that a request is given to dies of it, and another one comes up."""

    def __init__(self, restarts):
        self.restarts, self.given = restarts, 0

    def put(self, item):
        self.given += 1
        self.restarts.value += 1


class SilentQueue(DeadlyQueue):
    """Nobody ever answers."""

    def put(self, item):
        self.given += 1


def ask(queue, is_there) -> None:
    """Ask a server whose workers have this queue."""
    server = SimpleNamespace(
        response_buffer={},
        serving=Serving("nowhere", slo_ms=50, retry_s=0.01),
        restarts=queue.restarts,
        network=SimpleNamespace(api_path="/predict"),
        litapi_request_queues={"/predict": queue},
        app=SimpleNamespace(response_queue_id=0),
    )

    async def is_gone():
        return not is_there()

    try:
        asyncio.run(StitchServer._answer(server, Request(0.0, np.zeros(1), None), is_gone))
    finally:
        assert not server.response_buffer


def test_an_image_that_workers_die_of_is_given_up():
    queue = DeadlyQueue(SimpleNamespace(value=1))
    with pytest.raises(RequestError, match="3 workers died before this image was answered"):
        ask(queue, is_there=lambda: True)
    assert queue.given == 3


def test_a_client_that_has_gone_holds_no_place():
    queue = SilentQueue(SimpleNamespace(value=0))
    with pytest.raises(ClientDisconnect):
        ask(queue, is_there=iter([True, True, False]).__next__)
    assert queue.given == 1


def resident(pid: int) -> int:
    (kb,) = re.findall(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return 1024 * int(kb)


def tree(pid: int) -> list[int]:
    children = [path.parent.name for path in Path("/proc").glob("[0-9]*/stat") if _parent(path) == pid]
    return [pid, *(each for child in children for each in tree(int(child)))]


def _parent(path: Path) -> int:
    try:
        return int(path.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


@pytest.mark.slow
def test_ten_thousand_requests_of_which_five_hundred_are_bad(network_folder, tmp_path):
    bad = [*BAD.values(), (b"\0" * 100_000_000, "image/png", {}, 413)]
    draw = np.random.default_rng(0)
    plan = np.zeros(10_000, int)
    plan[draw.permutation(10_000)[:500]] = 1
    with running(network_folder, tmp_path / "printed.txt", **OPTIONS) as server:

        def send(i: int) -> bool:
            if not plan[i]:
                return server.predict(png(i % 100)).status_code == 200
            body, kind, asked, status = bad[i % len(bad)]
            try:
                answer = server.predict(body, kind, **asked)
            except requests.ConnectionError:  # closed while we still sent 100 MB
                return len(body) > 1_000_000
            return answer.status_code == status and "\n" not in answer.json()["error"]

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(send, range(1000)))
            before = sum(map(resident, tree(server.process.pid)))
            assert all(pool.map(send, range(1000, 10_000)))
        after = sum(map(resident, tree(server.process.pid)))
        assert server.get("health").json() == {"status": "ok", "workers": 1, "ready": 1, "restarts": 0}
        print(f"{before / 1e6:.1f} MB after 1,000 requests, {after / 1e6:.1f} MB after 10,000")
        assert after < 1.03 * before
