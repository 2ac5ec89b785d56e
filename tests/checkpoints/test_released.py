"""Published checkpoints: weights made by a rule from their names give the logits of the published code."""

import json
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.checkpoints import load_checkpoint
from snnet_lightning.errors import InputError
from snnet_lightning.network import SNNet
from snnet_lightning.network.prefix_tree import forward_all
from snnet_lightning.stitch import PairedSpace

GOLDEN = Path(__file__).parents[1] / "golden"
SPACES = {"released_deit": PairedSpace()}


def rule(name: str, shape: list[int]) -> torch.Tensor:
    """Values that depend on the tensor's name alone."""
    z = np.random.Generator(np.random.PCG64(crc32(name.encode()))).standard_normal(shape)
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        z = 1 + 0.1 * abs(z)
    elif last == "weight":
        z = 1 + 0.1 * z if len(shape) == 1 else z / np.sqrt(np.prod(shape[1:]))
    else:
        z = 0.1 * z
    return torch.tensor(z, dtype=torch.float32)


class Released:
    """A golden file: the network it fits, the checkpoint by the rule, the images and the published logits."""

    def __init__(self, name: str):
        with np.load(GOLDEN / f"{name}.npz") as golden:
            self.logits, meta = torch.tensor(golden["logits"]), json.loads(str(golden["meta"]))
        self.space, self.anchors, self.size = SPACES[name], meta["anchors"], meta["resolution"]
        self.state = {key: rule(key, shape) for key, shape in meta["tensors"].items() if isinstance(shape, list)}
        shape = (meta["images"], 3, self.size, self.size)
        images = np.random.Generator(np.random.PCG64(meta["input_seed"])).standard_normal(shape)
        self.images = torch.tensor(images, dtype=torch.float32)

    def net(self) -> SNNet:
        arguments = [{k: v for k, v in a.items() if k not in ("name", "num_classes")} for a in self.anchors]
        names, classes = [a["name"] for a in self.anchors], self.anchors[0]["num_classes"]
        return SNNet(create_anchors(names, (3, self.size, self.size), classes, "checkpoint", arguments), self.space)


@pytest.fixture(scope="module", params=SPACES)
def released(request):
    return Released(request.param)


@torch.no_grad()
def test_logits_of_every_stitch(released, tmp_path):
    torch.save({"model": released.state, "epoch": 49}, tmp_path / "released.pth")
    net = released.net().eval()
    load_checkpoint(net, str(tmp_path / "released.pth"))
    assert len(net.space) == len(released.logits)
    for stitch in net.space:
        expected = released.logits[stitch.id]
        torch.testing.assert_close(net(released.images, stitch), expected, atol=1e-4, rtol=0, msg=stitch.name)
    together = {stitch.id: logits for stitch, logits in forward_all(net, released.images, net.space)}
    torch.testing.assert_close(
        torch.stack([together[i] for i in range(len(together))]), released.logits, atol=1e-4, rtol=0
    )


def changed(state, change):
    state = dict(state)
    key = "stitch_layers.0.0.transform.weight"
    if change == "missing":
        del state[key]
    elif change == "unknown":
        state["stitch_layers.9.9.transform.weight"] = state[key]
    elif change == "anchor":
        state["anchors.7.cls_token"] = state["anchors.0.cls_token"]
    elif change == "shape":
        state[key] = state[key][:, :-1]
    return state


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", r"1 missing: stitching_layers\.0_0\.transform\.weight"),
        ("unknown", r"1 unknown: stitching_layers\.9_9\.transform\.weight"),
        ("anchor", r"1 unknown: anchors\.7\.model\.cls_token"),
        ("shape", r"1 of another shape: stitching_layers\.0_0\.transform\.weight is \(32, 15\), not \(32, 16\)"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, says):
    released = Released("released_deit")
    torch.save({"model": changed(released.state, change)}, tmp_path / "released.pth")
    with pytest.raises(InputError, match=says):
        load_checkpoint(released.net(), str(tmp_path / "released.pth"))


def test_another_family_is_named(digits_net, tmp_path):
    torch.save({"model": Released("released_deit").state}, tmp_path / "released.pth")
    with pytest.raises(InputError, match="does not fit the configured anchors") as caught:
        load_checkpoint(digits_net, str(tmp_path / "released.pth"))
    assert "\n" not in str(caught.value)
