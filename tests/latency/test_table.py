"""The file of latencies: there and back, and what is none."""

import json

import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.latency.table import read_latency, write_latency
from tests.serve.conftest import digits_network


@pytest.fixture(scope="module")
def net():
    return digits_network()


@pytest.fixture
def stitches(net):
    return [(stitch.id, stitch.name) for stitch in net.space]


def test_there_and_back(net, stitches, tmp_path):
    write_latency(net.latency, tmp_path / "latency.json")
    assert read_latency(tmp_path / "latency.json", stitches, (1, 8, 8)) == net.latency
    assert [path.name for path in tmp_path.iterdir()] == ["latency.json"]


def test_milliseconds_by_batch(net):
    one, eight = net.latency.at(1), net.latency.at(8)
    assert net.latency.at() == one
    assert all(eight[key] == pytest.approx(4 * one[key]) for key in one)
    with pytest.raises(InputError, match="batch=2: latency was measured at batch sizes of 1, 8"):
        net.latency.at(2)


def changed(content, key, value):
    content[key] = value
    return content


WRONG = {
    "no JSON": (lambda text: text[:-5], "JSON"),
    "a later format": (lambda text: json.dumps(changed(json.loads(text), "format", 2)), "format=2"),
    "another key": (lambda text: json.dumps(changed(json.loads(text), "_target_", "os.system")), "_target_"),
    "no batches": (lambda text: json.dumps(changed(json.loads(text), "batches", [])), "batches"),
    "a negative time": (lambda text: text.replace('"ms": ', '"ms": -', 1), "ms"),
    "not a number": (lambda text: text.replace('"ms": ', '"ms": NaN, "x": ', 1), "ms"),
    "a device that ends the line": (lambda text: text.replace("invented", "a\\nb"), "device"),
    "other stitches": (lambda text: text.replace("digits_tiny", "other"), "not those of the network"),
    "another size of images": (lambda text: json.dumps(json.loads(text) | {"input_size": [1, 9, 9]}), "(1, 9, 9)"),
    "a size twice": (lambda text: text.replace('"batch": 8', '"batch": 1'), "stands there twice"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_such_file(net, stitches, tmp_path, name):
    change, why = WRONG[name]
    path = tmp_path / "latency.json"
    write_latency(net.latency, path)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=why) as error:
        read_latency(path, stitches, (1, 8, 8))
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
