"""Checkpoints in the published formats, filled by a rule, against the logits that the published code gave for them."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from snnet_lightning import load
from snnet_lightning.anchors import AnchorFamily

GOLDEN = Path(__file__).parents[1] / "golden"
FAMILIES = ("deit", "swin", "r18_r50")


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


def anchors_of(meta):
    anchors = [dict(anchor) for anchor in meta["anchors"]]
    names, classes = [a.pop("name") for a in anchors], [a.pop("num_classes") for a in anchors]
    size = (3, meta["resolution"], meta["resolution"])
    return AnchorFamily(tuple(names), size, classes[0], "checkpoint", kwargs_each=tuple(anchors))


@pytest.mark.parametrize("family", FAMILIES)
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
    net = load(path, anchors_of(meta))
    shape = (meta["images"], 3, meta["resolution"], meta["resolution"])
    images = torch.tensor(normal(meta["input_seed"], shape))
    assert len(logits) == len(net.space)
    for stitch, expected in zip(net.space, logits, strict=True):
        torch.testing.assert_close(net(images, stitch), torch.tensor(expected), atol=1e-4, rtol=0)
    assert {s.route[-1].norm for s in net.space if not s.is_anchor} == {family != "deit"}
