"""Saving to and loading from the hub, whose place a server on this machine takes; the real service was not tried."""

import os
import subprocess
import sys

import pytest

import snnet_lightning as sn
from snnet_lightning.errors import InputError
from tests.saved.hub_stand_in import stand_in
from tests.saved.test_folder import contents

PUSH = """
import sys, snnet_lightning as sn
net = sn.load(sys.argv[1])
print(net.push_to_hub("me/net", commit_message="first"))
net.rows = ()
net.push_to_hub("me/net", revision="costs", private=True)
"""
LOAD = """
import sys, torch, snnet_lightning as sn
from snnet_lightning.errors import InputError
folder, *asked = sys.argv[1:]
for words in asked:
    name, *revision = words.split("@")
    try:
        net = sn.load(name, **dict(zip(["revision"], revision)))
    except InputError as error:
        print(f"refused: {error}")
    else:
        net.save_pretrained(f"{folder}/{words.replace('/', '_')}")
"""


@pytest.fixture
def hub(tmp_path):
    """A hub, and what runs code that knows no other."""
    with stand_in() as (hub, address):

        def run(code, *arguments, **environment):
            known = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
            home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": address, "HF_TOKEN": "hf_x"}
            command = [sys.executable, "-c", code, *map(str, arguments)]
            return subprocess.run(
                command, env=known | home | environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
            )

        yield hub, run


def test_pushed_and_loaded(hub, evaluated, tmp_path):
    hub, run = hub
    evaluated.save_pretrained(tmp_path / "net")
    pushed = run(PUSH, tmp_path / "net")
    assert pushed.returncode == 0, pushed.stderr
    assert "/me/net" in pushed.stdout
    files = hub.repositories["me/net"]["main"]
    mine = contents(tmp_path / "net")
    assert b'sn.load("me/net")' in files.pop("README.md")
    del mine["README.md"]
    assert {name: content for name, content in files.items() if name != ".gitattributes"} == mine

    loaded = run(LOAD, tmp_path / "loaded", "me/net", "me/net@costs")
    assert loaded.returncode == 0, loaded.stderr
    assert contents(tmp_path / "loaded" / "me_net") == contents(tmp_path / "net")
    assert not any("README" in request or "front.png" in request for request in hub.seen if "resolve" in request)
    assert sn.load(tmp_path / "loaded" / "me_net@costs").rows[0].acc1 is None
    offline = run(LOAD, tmp_path / "offline", "me/net", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr  # out of the cache
    assert contents(tmp_path / "offline" / "me_net") == contents(tmp_path / "net")


def test_what_is_not_there(hub, tmp_path):
    hub, run = hub
    hub.repositories["me/other"] = {"main": {"pytorch_model.bin": b"pickle"}}
    refusals = {
        "me/none": "me/none: no file or folder here, and not to be had on the hub: ",
        "me/other@v9": "me/other, revision v9: no file or folder here, and not to be had on the hub: ",
        "me/other": "me/other: no saved SN-Net, for it has no config.json",
    }
    done = run(LOAD, tmp_path / "x", *refusals)
    for line, why in zip(done.stdout.splitlines(), refusals.values(), strict=True):
        assert line.startswith(f"refused: {why}")
    assert not any(request.endswith("pytorch_model.bin") for request in hub.seen)


def test_no_way_to_the_hub(hub, tmp_path):
    _, run = hub
    for environment in ({"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}):
        (line,) = run(LOAD, tmp_path / "x", "me/net", **environment).stdout.splitlines()
        assert line.startswith("refused: me/net: no file or folder here, and not to be had on the hub: ")


def test_without_the_hubs_library(hub, tmp_path):
    _, run = hub
    done = run("import sys; sys.modules['huggingface_hub'] = None\n" + LOAD, "x", "me/net")
    # timm needs the library too, but imports go on without it
    assert "pip install 'snnet_lightning[hub]'" in done.stdout


@pytest.mark.parametrize("path", ["runs/last.ckpt", "weights.pth", "a/b/c", "../net", "./net", "/net/x", "a b/c"])
def test_what_is_no_id_is_a_path(path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="no such file"):
        sn.load(path)
    with pytest.raises(InputError, match="is no id on the hub, so revision=v1 means nothing"):
        sn.load(path, revision="v1")
