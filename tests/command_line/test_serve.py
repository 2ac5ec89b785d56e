"""python -m snnet_lightning.serve and its replay."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.command_line.conftest import error_of
from tests.serve.conftest import digits_network, encoded, free_port, network_folder, png

__all__ = ["network_folder"]

SERVE, REPLAY = "snnet_lightning/serve/__main__.py", "snnet_lightning/serve/replay/__main__.py"


def processes_of(group: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_it_serves_until_it_is_told_to_stop_and_leaves_nothing(network_folder, tmp_path, number):
    port = free_port()
    words = [str(network_folder), "slo_ms=300", "policy=fixed", "policy.stitch=7", f"port={port}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "snnet_lightning.serve", *words, f"hydra.run.dir={tmp_path / 'run'}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[-1] == f"serving 35 stitches at http://127.0.0.1:{port}; Ctrl-C ends it\n"
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                answer = requests.post(f"http://127.0.0.1:{port}/predict", png(), headers={"Content-Type": "image/png"})
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        assert answer.json()["stitch"]["id"] == 7
        assert answer.json()["why"] == "the only one served"
        os.killpg(process.pid, number)  # all of them, as a terminal does on Ctrl-C
        time.sleep(0.2)
        if process.poll() is None:
            os.killpg(process.pid, number)  # and once more, for the impatient
        rest, _ = process.communicate(timeout=30)
        assert rest == ""
        end = time.monotonic() + 10  # the last ones are on their way out
        while processes_of(process.pid) and time.monotonic() < end:
            time.sleep(0.1)
        assert not processes_of(process.pid)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "no folder is given: python -m snnet_lightning.serve FOLDER"),
        (["nowhere"], "ckpt_path=nowhere: no saved SN-Net"),
        (["{net}", "policy=fixed"], "policy.stitch is missing"),
        (["{net}", "policy=fixed", "policy.stitch=99"], "policy.stitch=99: there is no such stitch; ids run from 0"),
        (["{net}", "policy.headroom=1"], "policy.headroom=1: must be below 1"),
        (["{net}", "policy=slow"], "slow"),
        (["{net}", "slo_ms=0"], "slo_ms=0: must be above 0"),
        (["{net}", "host=example.org"], "host=example.org: must be"),
        (["{net}", "port=80"], "port=80: must be at least 1024"),
        (["{net}", "max_batch=0"], "max_batch=0: must be above 0"),
        (["{net}", "slo=3"], "did you mean slo_ms?"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("script", [SERVE, pytest.param(REPLAY, marks=pytest.mark.slow)])
def test_wrong_words_end_in_one_line(run_here, network_folder, tmp_path, script, words, why):
    typed = [word.format(net=network_folder) for word in words]
    assert why in error_of(run_here(script, *typed, directory=tmp_path / "run"))


def test_what_is_not_known_of_a_network(run_here, tmp_path):
    net = digits_network()
    net.latency = None
    net.save_pretrained(tmp_path / "no latency")
    run = run_here(SERVE, f"ckpt_path={tmp_path / 'no latency'}", directory=tmp_path / "run")
    assert "policy=slack: no latency is known; python -m snnet_lightning.latency measures it" in error_of(run)
    net.rows = []
    net.save_pretrained(tmp_path / "no accuracies")
    run = run_here(SERVE, f"ckpt_path={tmp_path / 'no accuracies'}", directory=tmp_path / "run")
    assert "no accuracies are known" in error_of(run)


def test_a_port_that_is_taken(run_here, network_folder, tmp_path):
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        for script in (SERVE, REPLAY):
            run = run_here(script, f"ckpt_path={network_folder}", f"port={port}", directory=tmp_path / "run")
            assert f"port={port}: cannot be had on 127.0.0.1: Address already in use" in error_of(run)


def test_a_replay(run_here, network_folder, tmp_path):
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in range(30):
        folder = tmp_path / "images" / str(digits.target[number])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(png(number))
    (tmp_path / "images" / "unknown").mkdir()
    (tmp_path / "images" / "unknown" / "x.jpg").write_bytes(encoded(Image.new("L", (20, 20)), "JPEG"))
    words = [
        f"ckpt_path={network_folder}",
        "slo_ms=2000",
        "traffic.rate=90",
        "traffic.seconds=1",
        f"port={free_port()}",
    ]
    words += [f"images={tmp_path / 'images'}", "compared=[2,0]"]
    run = run_here(REPLAY, *words, directory=tmp_path / "run")
    assert run.status == 0, run.err
    told = json.loads((tmp_path / "run" / "replay.json").read_text())
    slack, base, tiny = told["policies"]
    assert [slack["policy"], base["policy"], tiny["policy"]] == ["slack", "digits_base", "digits_tiny"]
    assert base["stitches"] == {"2": base["requests"]}
    assert slack["requests"] == base["requests"] == tiny["requests"]
    assert 50 < slack["requests"] < 140
    assert [policy["lost"] for policy in told["policies"]] == [0, 0, 0]
    assert 0 < tiny["top1"] <= 100
    assert tiny["accuracy"] < base["accuracy"]
    assert {"replay.png", "replay.json", "server.log"} <= run.written()
    assert "objective 2000 ms" in run.out
    assert sum(line.split()[:1] in (["slack"], ["digits_base"], ["digits_tiny"]) for line in run.out.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["images=nowhere"], "images=nowhere: there is no such folder"),
        (["compared=best"], "compared=best: must be front, all, none, or ids from 0 to 34"),
        (["compared=[99]"], "must be front, all, none, or ids from 0 to 34"),
        (["traffic=trace"], "traffic.file"),
        (["traffic=trace", "traffic.file=nowhere.csv"], "nowhere.csv: there is no such file"),
        (["traffic.rate=1e-9"], "traffic: no request comes"),
        (["traffic.rate=-1"], "traffic.rate=-1: must be above 0"),
    ],
)
def test_wrong_words_of_a_replay(run_here, network_folder, tmp_path, words, why):
    run = run_here(REPLAY, f"ckpt_path={network_folder}", f"port={free_port()}", *words, directory=tmp_path / "run")
    assert why in error_of(run)
