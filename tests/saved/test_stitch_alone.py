"""One stitch alone in a folder is the stitch of the network; an anchor is what timm loads by itself."""

import json

import pytest
import timm
import torch
from safetensors.torch import load_file

import snnet_lightning as sn
from snnet_lightning.anchors import create_anchors
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule
from tests.network.test_route_statistics import calibrated
from tests.saved.test_folder import change, contents, refusal

IMAGES = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def some_of(space):
    """Each anchor, and the earliest and the latest stitch of each pair of them."""
    pairs = [[stitch for stitch in space if stitch.anchors == pair] for pair in ((0, 1), (1, 2))]
    return [*space.anchors, *(pair[place] for pair in pairs for place in (0, -1))]


@pytest.mark.parametrize("stitches_of", [some_of, pytest.param(list, marks=pytest.mark.slow)], ids=["some", "every"])
@torch.no_grad()
def test_anchors_and_stitches_of_digits(evaluated, tmp_path, stitches_of):
    costs = stitch_costs(evaluated)
    for stitch in stitches_of(evaluated.space):
        folder = tmp_path / str(stitch.id)
        evaluated.save_pretrained(folder, stitch=stitch)
        if stitch.is_anchor:
            alone = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        else:
            alone = sn.load(folder)
            assert alone.name == stitch.name
        assert torch.equal(alone(IMAGES), evaluated(IMAGES, stitch))
        weights = load_file(folder / "model.safetensors")
        assert sum(value.numel() for value in weights.values()) == costs[stitch].params
        assert sum(value.numel() for value in alone.parameters()) == sum(value.numel() for value in weights.values())


@torch.no_grad()
def test_low_rank_terms_and_calibrated_statistics_are_folded_in(batch_norm_net, tmp_path):
    net = calibrated(batch_norm_net(), [0, 3])
    stitches = [stitch for stitch in net.space if not stitch.is_anchor][:3]
    images = torch.randn(2, 1, 16, 16)
    for stitch in stitches:
        net.save_pretrained(tmp_path / str(stitch.id), stitch.id)
        assert torch.equal(sn.load(tmp_path / str(stitch.id))(images), net(images, stitch))


def test_timm_is_told_of_classes_and_preprocessing(evaluated, tmp_path):
    evaluated.save_pretrained(tmp_path / "anchor", stitch="digits_small")
    model = timm.create_model(f"local-dir:{tmp_path / 'anchor'}", pretrained=True)
    config = timm.data.resolve_model_data_config(model)
    assert config["input_size"] == (1, 8, 8)
    assert (tuple(config["mean"]), tuple(config["std"])) == (evaluated.preprocessing.mean, evaluated.preprocessing.std)
    assert json.loads((tmp_path / "anchor" / "config.json").read_text())["label_names"][3] == "the 3"
    with pytest.raises(InputError, match=r"holds a single timm model: timm.create_model\('local-dir:"):
        sn.load(tmp_path / "anchor")


def test_a_small_stitch_of_a_large_network(tmp_path):
    """Its description is of far more parameters than the folder holds."""
    names = ["vit_tiny_patch16_224", "vit_base_patch16_224"]
    net = SNNet(create_anchors(names, (3, 32, 32), 10, "random", {"depth": 6}), PairedRule()).eval()
    last = list(net.space)[-1]
    assert sum(p.numel() for p in net.parameters()) > 4 * stitch_costs(net)[last].params + 10**6
    net.save_pretrained(tmp_path / "net", stitch=last)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(sn.load(tmp_path / "net")(images), net(images, last))


def test_the_whole_network_takes_the_place_of_a_stitch(evaluated, tmp_path):
    evaluated.save_pretrained(tmp_path / "a")
    evaluated.save_pretrained(tmp_path / "b", stitch=7)
    evaluated.save_pretrained(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    evaluated.save_pretrained(tmp_path / "a", stitch=7)
    assert set(contents(tmp_path / "a")) == {"README.md", "config.json", "model.safetensors", "stitches.jsonl"}


def test_an_anchor_takes_the_place_of_an_anchor(evaluated, tmp_path):
    for name in ("digits_small", "digits_base"):
        evaluated.save_pretrained(tmp_path / "a", stitch=name)
    images = IMAGES
    with torch.no_grad():
        alone = timm.create_model(f"local-dir:{tmp_path / 'a'}", pretrained=True).eval()
        assert torch.equal(alone(images), evaluated(images, "digits_base"))


def test_what_is_wrong_with_a_folder(evaluated, tmp_path):
    folder = tmp_path / "net"
    evaluated.save_pretrained(folder, stitch=7)
    change(folder, stitch_alone="os.system")
    assert "stitch_alone='os.system' is no stitch of the network" in refusal(folder)
    change(folder, stitch_alone=["a"])
    assert "is no stitch of the network" in refusal(folder)
    change(folder, stitch_alone=evaluated.space[20].name)
    assert f"model.safetensors is not of {evaluated.space[20].name}" in refusal(folder)


@pytest.mark.parametrize(
    "kwargs", [{"embed_dim": 500_000}, pytest.param({"depth": 1_000_000}, marks=pytest.mark.slow)], ids=str
)
def test_what_asks_for_a_terabyte_is_refused(evaluated, tmp_path, kwargs):
    folder = tmp_path / "net"
    evaluated.save_pretrained(folder, stitch=7)
    anchors = json.loads((folder / "config.json").read_text())["anchors"]
    change(folder, anchors=[*anchors[:2], anchors[2] | {"kwargs": kwargs}])
    assert "describes a much larger network than its weights are of" in refusal(folder)
