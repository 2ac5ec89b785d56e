"""Checkpoints in the published formats, filled by a rule, against the logits that the published code gave for them."""

import argparse
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.checkpoints import load_checkpoint
from snnet_lightning.errors import InputError
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedSpace, StagedSpace, TwoWaySpace

GOLDEN = Path(__file__).parents[1] / "golden"
SPACES = {"deit": PairedSpace(), "swin": StagedSpace(), "r18_r50": StagedSpace([1, 2])}


def normal(seed, shape):
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape).astype(np.float32)


def filled(name, shape):
    """A tensor that depends on its name alone; the rule under which the golden logits were made."""
    z = normal(zlib.crc32(name.encode()), shape)
    kind = name.split(".")[-1]
    if kind == "running_var":
        return torch.tensor(1 + 0.1 * np.abs(z))
    if kind == "weight":
        return torch.tensor(1 + 0.1 * z if len(shape) == 1 else z / np.sqrt(np.prod(shape[1:])), dtype=torch.float32)
    return torch.tensor(0.1 * z)


def golden(family):
    with np.load(GOLDEN / f"released_{family}.npz") as file:
        return file["logits"], json.loads(str(file["meta"]))


def network(meta, space):
    anchors = [dict(anchor) for anchor in meta["anchors"]]
    names, classes = [a.pop("name") for a in anchors], [a.pop("num_classes") for a in anchors]
    size = (3, meta["resolution"], meta["resolution"])
    return SNNet(create_anchors(names, size, classes[0], "checkpoint", {}, anchors), space).eval()


@pytest.mark.parametrize("family", SPACES)
@torch.no_grad()
def test_imported_weights_give_the_published_logits(family, tmp_path):
    logits, meta = golden(family)
    state = {}
    for name, shape in meta["tensors"].items():
        if isinstance(shape, dict):
            state[name] = torch.zeros(shape["buffer"], dtype=getattr(torch, shape["dtype"].split(".")[-1]))
        else:
            state[name] = filled(name, shape)
    path = tmp_path / "released.pth"
    torch.save({"model": state, "epoch": 49}, path)
    net = network(meta, SPACES[family])
    load_checkpoint(net, str(path))
    shape = (meta["images"], 3, meta["resolution"], meta["resolution"])
    images = torch.tensor(normal(meta["input_seed"], shape))
    assert len(logits) == len(net.space)
    for stitch, expected in zip(net.space, logits, strict=True):
        torch.testing.assert_close(net(images, stitch), torch.tensor(expected), atol=1e-4, rtol=0)
    assert {s.route[-1].norm for s in net.space if not s.is_anchor} == {family != "deit"}


def two_way_net():
    kwargs = {"embed_dim": 16, "depth": 3, "num_heads": 2}
    names = ["deit3_small_patch16_224", "deit3_large_patch16_224"]
    kwargs = [kwargs, kwargs | {"embed_dim": 24, "depth": 6}]
    return SNNet(create_anchors(names, (3, 32, 32), 10, "checkpoint", {}, kwargs), TwoWaySpace(), low_rank=4)


@torch.no_grad()
def test_a_two_way_file_with_low_rank_layers(tmp_path):
    """Against a file written by hand from a network: gamma names, the idle layer, the options beside the weights."""
    torch.manual_seed(0)
    net = two_way_net().eval()
    for parameter in net.parameters():
        parameter.normal_(0, 0.2)
    state = {}
    for key, value in net.state_dict().items():
        key = key.replace(".model.", ".").replace(".ls1.gamma", ".gamma_1").replace(".ls2.gamma", ".gamma_2")
        key = key.replace("stitching_layers.0_", "stitch_layers.0.").replace("stitching_layers.1_", "stitch_layers.1.")
        state[key] = value
    for name, shape in {"weight": (24, 16), "bias": (24,), "lora_A": (4, 16), "lora_B": (24, 4)}.items():
        state[f"stitch_layers.0.2.transform.{name}"] = torch.zeros(shape)
    path = tmp_path / "v2.pth"
    torch.save({"model": state, "args": argparse.Namespace(lr=3e-5, data="imagenet")}, path)
    imported = two_way_net().eval()
    load_checkpoint(imported, str(path))
    images = torch.randn(2, 3, 32, 32)
    for stitch in net.space:
        assert torch.equal(imported(images, stitch), net(images, stitch))
        assert stitch.route[-1].norm


@torch.no_grad()
def test_levit_is_named_by_the_order_of_its_tensors(tmp_path):
    def levit_net():
        return SNNet(create_anchors(["levit_128s", "levit_128"], (3, 224, 224), 10, "checkpoint"), StagedSpace([1]))

    torch.manual_seed(0)
    net = levit_net().eval()
    state = {}
    for a, anchor in enumerate(net.anchors):
        for i, (key, value) in enumerate(anchor.model.state_dict().items()):
            if value.is_floating_point():
                value.mul_(torch.empty_like(value).uniform_(0.9, 1.1))
            state[f"anchors.{a}.old{i}.{key.split('.')[-1]}"] = value
        state[f"anchors.{a}.blocks.0.m.attention_bias_idxs"] = torch.zeros(4, 4, dtype=torch.long)
    for key, value in net.stitching_layers.state_dict().items():
        state[f"stitch_layers.{key.replace('_', '.', 2)}"] = value
    path = tmp_path / "levit.pth"
    torch.save({"model": state}, path)
    imported = levit_net().eval()
    load_checkpoint(imported, str(path))
    images = torch.randn(1, 3, 224, 224)
    for stitch in net.space:
        assert net(images, stitch).isfinite().all()
        assert torch.equal(imported(images, stitch), net(images, stitch))


def test_a_file_of_another_family_is_refused(tmp_path, digits_net):
    _, meta = golden("swin")
    state = {name: filled(name, shape) for name, shape in meta["tensors"].items() if not isinstance(shape, dict)}
    path = tmp_path / "swin.pth"
    torch.save({"model": state}, path)
    with pytest.raises(InputError, match=r"not of the configured anchors \(digits_tiny, digits_small, digits_base\)"):
        load_checkpoint(digits_net, str(path))
