"""Exported stitches compute what the network does, in any batch, and share what they have in common."""

import json
import logging

import onnx
import pytest
import torch

from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.metrics import Score
from snnet_lightning.evaluation.results import stitch_rows
from snnet_lightning.export import export_stitches, load_exported
from snnet_lightning.export.normalised import Normalised
from tests.export.conftest import PUBLISHED, by_itself, images_for
from tests.network.test_extract import some_of
from tests.network.test_route_statistics import calibrated

SOME = (2, 4, 7)  # an anchor, and one of each pair; test_every_stitch.py has all
QUICK = {("deit_ti_s_b", "onnx"), ("swin_ti_s_b", "pt2"), ("resnet18_50", "onnx"), ("levit_192_256", "pt2")}


@pytest.fixture(scope="module", params=["onnx", "pt2"])
def some_stitches(request, wide_net, tmp_path_factory):
    """(folder, what was exported into it) of some stitches in one format."""
    folder, stitches = tmp_path_factory.mktemp("export") / request.param, [wide_net.space[i] for i in SOME]
    return folder, export_stitches(wide_net, stitches, folder, images=images_for(wide_net, 10), format=folder.name)


@torch.no_grad()
def assert_computes(path, net, stitch):
    run = by_itself(path)
    for count in (1, 2, 7):
        images = images_for(net, count)
        assert (run(images) - net(images, stitch)).abs().max() < 1e-4


def bytes_of(parameters):
    return sum(4 * parameter.numel() for parameter in parameters)


def test_some_stitches(some_stitches, wide_net):
    folder, exported = some_stitches
    assert [item.stitch.id for item in exported] == [*SOME]
    for item in exported:
        assert_computes(folder / item.file, wide_net, item.stitch)
        assert item.parity.agreement == 100
        assert item.parity.images == 10
        assert item.parity.difference < 1e-4


@pytest.mark.parametrize(
    ("published_net", "format"),
    [
        pytest.param(name, format, marks=() if (name, format) in QUICK else pytest.mark.slow)
        for name in PUBLISHED
        for format in ("onnx", "pt2")
    ],
    indirect=["published_net"],
)
def test_stitches_of_published_families(published_net, format, tmp_path):
    stitches = some_of(published_net.space)[1:2]  # parts of both anchors; test_every_stitch.py has the others too
    exported = export_stitches(
        published_net, stitches, tmp_path / "x", images=images_for(published_net, 3), format=format
    )
    for item in exported:
        assert_computes(tmp_path / "x" / item.file, published_net, item.stitch)
    if format == "onnx":
        union = bytes_of(published_net.parameters_of(*stitches))
        assert (tmp_path / "x" / "weights.bin").stat().st_size < 1.05 * union


def test_a_file_says_what_it_is(some_stitches, wide_net):
    folder, exported = some_stitches
    for item in (exported[0], exported[-1]):
        loaded, images = load_exported(folder / item.file, trusted=True), images_for(wide_net, 3)
        assert loaded.stitch == item.stitch.name
        assert loaded.class_names == tuple("0123456789")
        assert json.loads(loaded.metadata["preprocessing"])["mean"] == [0.3]
        assert loaded.metadata["snnet_lightning"]
        assert torch.equal(loaded(images), by_itself(folder / item.file)(images))


def test_the_folder_says_what_it_holds(some_stitches, wide_net):
    folder, exported = some_stitches
    config = json.loads((folder / "config.json").read_text())
    assert config["library_name"] == "snnet_lightning"
    assert config["export"]["format"] == folder.name
    assert config["anchors"] == wide_net.description.as_data()["anchors"]
    rows = [json.loads(line) for line in (folder / "stitches.jsonl").read_text().splitlines()]
    costs = stitch_costs(wide_net)
    told = {(stitch.name, cost.params) for stitch, cost in costs.items() if stitch.id in SOME}
    assert {(row["name"], row["params"]) for row in rows} == told
    assert {row["file"] for row in rows} == {item.file for item in exported}
    assert rows[SOME.index(7)]["file"] == f"stitch_007.{folder.name}"
    others = {"config.json", "stitches.jsonl"} | ({"weights.bin"} if folder.name == "onnx" else set())
    assert {path.name for path in folder.iterdir()} == {row["file"] for row in rows} | others


@pytest.mark.parametrize("some_stitches", ["onnx"], indirect=True)
def test_images_of_another_size(some_stitches):
    folder, exported = some_stitches
    run = load_exported(folder / exported[0].file)
    with pytest.raises(InputError, match=r"stitch_002\.onnx: does not run on these images") as caught:
        run(torch.zeros(1, 3, 8, 8))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("some_stitches", ["onnx"], indirect=True)
def test_graphs_share_their_weights(some_stitches, wide_net):
    folder, exported = some_stitches
    union = bytes_of(wide_net.parameters_of(*(item.stitch for item in exported)))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1.05 * union
    for item in exported:
        graph = onnx.load(folder / item.file, load_external_data=False)
        onnx.checker.check_model(folder / item.file, full_check=True)
        assert graph.opset_import[0].version == 18
        assert graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param
        assert graph.graph.output[0].type.tensor_type.shape.dim[0].dim_param


def test_a_stitch_alone_has_nothing_of_other_anchors(wide_net, tmp_path):
    stitch = wide_net.space["digits_tiny[:1] > digits_small[0:]"]
    export_stitches(wide_net, [stitch], tmp_path / "x", images=images_for(wide_net, 1))
    content = b"".join(path.read_bytes() for path in (tmp_path / "x").iterdir())
    own, found = set(map(id, wide_net.parameters_of(stitch))), 0
    for parameter in wide_net.parameters():
        if parameter.numel() > 64 and len(parameter.unique()) > 1:  # norms and biases are all alike yet
            turned = parameter.detach().movedim(0, -1).contiguous()  # as matrix products take it
            there = any(w.numpy().tobytes() in content for w in (parameter.detach(), turned))
            assert there == (id(parameter) in own)
            found += there
    assert found > 10
    assert len(content) < 1.05 * bytes_of(wide_net.parameters_of(stitch)) + 50_000


def test_stitches_with_statistics_of_their_own_share_the_rest(batch_norm_net, tmp_path):
    net = calibrated(batch_norm_net(), [0, 3])
    stitches = [net.space[0], net.space[2]]
    exported = export_stitches(net, stitches, tmp_path / "x", images=images_for(net, 3))
    for item in exported:
        assert_computes(tmp_path / "x" / item.file, net, item.stitch)
    statistics = sum(buffer.nbytes for name, buffer in net.named_buffers() if "num_batches" not in name)
    union = bytes_of(net.parameters_of(*stitches))
    assert (tmp_path / "x" / "weights.bin").stat().st_size < 1.05 * union + 2 * statistics


@torch.no_grad()
def test_pixels_are_normalised_inside(wide_net, tmp_path):
    pixels = torch.rand(5, 1, 8, 8)
    images = (pixels - 0.3) / 0.4
    (item,) = export_stitches(wide_net, [wide_net.space[3]], tmp_path / "x", images=images, normalise=True)
    logits = wide_net((pixels - 0.3) / 0.4, 3)
    assert (by_itself(tmp_path / "x" / item.file)(pixels) - logits).abs().max() < 1e-4
    assert json.loads((tmp_path / "x" / "config.json").read_text())["export"]["normalise"] is True
    assert torch.allclose(Normalised(wide_net.extract(3), wide_net.preprocessing)(pixels), logits, atol=1e-5)


def test_what_is_known_of_a_stitch_goes_along(wide_net, tmp_path, monkeypatch):
    count = len(wide_net.space)
    rows = stitch_rows(stitch_costs(wide_net), [Score(90 + i, 99.0, 0.1, 540) for i in range(count)])
    monkeypatch.setattr(wide_net, "rows", rows)
    export_stitches(wide_net, [wide_net.space[2]], tmp_path / "x", images=images_for(wide_net, 1), format="pt2")
    assert json.loads((tmp_path / "x" / "stitches.jsonl").read_text())["acc1"] == 92


def test_it_says_nothing_of_its_own(wide_net, tmp_path, capfd, recwarn):
    root, told = logging.getLogger(), []
    handlers, images = [*root.handlers], images_for(wide_net, 1)
    arguments = {"precision": "int8", "told": lambda done, of, item: told.append((done, of, item.file))}
    export_stitches(wide_net, [wide_net.space[3]] * 2, tmp_path / "x", images=images, **arguments)
    assert told == [(1, 1, "stitch_003.onnx")]
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert root.handlers == handlers
