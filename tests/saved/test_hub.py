"""Saving to and loading from the hub, whose place a server on this machine takes; the real service was not tried."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from unittest import mock

import pytest

import snnet_lightning as sn
from snnet_lightning.errors import InputError
from tests.saved.hub_stand_in import Hub, stand_in
from tests.saved.test_folder import contents

NOBODY = "http://127.0.0.1:9"
LIBRARY = "huggingface_hub"


@pytest.fixture
def environment(tmp_path) -> Callable[..., AbstractContextManager[None]]:
    """These variables, and the hub's library as a new process would have it: it reads them when it is imported."""

    def taken_away() -> dict:
        return {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] == LIBRARY}

    @contextmanager
    def entered(**variables: str) -> Iterator[None]:
        before = taken_away()
        known = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        home = {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_x"}
        try:
            with mock.patch.dict(os.environ, known | home | variables, clear=True):
                yield
        finally:
            taken_away()
            sys.modules.update(before)

    return entered


@pytest.fixture
def hub(environment) -> Iterator[Hub]:
    """A hub, the only one that is known here."""
    with stand_in() as (hub, address), environment(HF_ENDPOINT=address):
        yield hub


def refusal(name: str, **asked: str) -> str:
    with pytest.raises(InputError) as caught:
        sn.load(name, **asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pushed_and_loaded(hub, environment, evaluated, tmp_path):
    evaluated.save_pretrained(tmp_path / "net")
    net = sn.load(tmp_path / "net")
    assert "/me/net" in net.push_to_hub("me/net", commit_message="first")
    net.rows = ()
    net.push_to_hub("me/net", revision="costs", private=True)
    files = hub.repositories["me/net"]["main"]
    mine = contents(tmp_path / "net")
    assert b'sn.load("me/net")' in files.pop("README.md")
    del mine["README.md"]
    assert {name: content for name, content in files.items() if name != ".gitattributes"} == mine

    sn.load("me/net").save_pretrained(tmp_path / "loaded")
    assert contents(tmp_path / "loaded") == contents(tmp_path / "net")
    assert sn.load("me/net", revision="costs").rows[0].acc1 is None
    assert not any("README" in request or "front.png" in request for request in hub.seen if "resolve" in request)
    with environment(HF_HUB_OFFLINE="1"):
        sn.load("me/net").save_pretrained(tmp_path / "offline")  # out of the cache
    assert contents(tmp_path / "offline") == contents(tmp_path / "net")


def test_what_is_not_there(hub):
    hub.repositories["me/other"] = {"main": {"pytorch_model.bin": b"pickle"}}
    nowhere = "no file or folder here, and not to be had on the hub: "
    assert refusal("me/none").startswith(f"me/none: {nowhere}")
    assert refusal("me/other", revision="v9").startswith(f"me/other, revision v9: {nowhere}")
    assert refusal("me/other").startswith("me/other: no saved SN-Net, for it has no config.json")
    assert not any(request.endswith("pytorch_model.bin") for request in hub.seen)


@pytest.mark.parametrize("variables", [{"HF_ENDPOINT": NOBODY}, {"HF_HUB_OFFLINE": "1"}], ids=lambda v: next(iter(v)))
def test_no_way_to_the_hub(environment, variables):
    with environment(**variables):
        assert refusal("me/net").startswith("me/net: no file or folder here, and not to be had on the hub: ")


def test_without_the_hubs_library(environment):
    with environment():
        sys.modules[LIBRARY] = None  # as if it were not installed
        assert "pip install 'snnet_lightning[hub]'" in refusal("me/net")


@pytest.mark.parametrize("path", ["runs/last.ckpt", "weights.pth", "a/b/c", "../net", "./net", "/net/x", "a b/c"])
def test_what_is_no_id_is_a_path(path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", NOBODY)
    with pytest.raises(InputError, match="no such file"):
        sn.load(path)
    with pytest.raises(InputError, match="is no id on the hub, so revision=v1 means nothing"):
        sn.load(path, revision="v1")
