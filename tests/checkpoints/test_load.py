"""Our own checkpoints load again; whatever else is given is refused in one line, and changes nothing."""

import argparse
import os

import pytest
import timm
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.checkpoints import load_checkpoint, require_resumable
from snnet_lightning.errors import InputError
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedSpace


class MakesDirectory:
    """Unpickling this runs code: it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def net(names=("digits_tiny", "digits_small"), space=None, seed=0):
    torch.manual_seed(seed)
    return SNNet(create_anchors(names, (1, 8, 8), 10, "random"), space or PairedSpace()).eval()


def checkpoint(of, **more):
    """What Lightning stores of a module that keeps the network as ``net``."""
    return {"state_dict": {f"net.{key}": value for key, value in of.state_dict().items()}, **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "last.ckpt"


def refusal(path, into=None, load=load_checkpoint):
    into = into or net(seed=5)
    before = {key: value.clone() for key, value in into.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load(into, None if path is None else str(path))
    assert all(torch.equal(value, before[key]) for key, value in into.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@torch.no_grad()
def test_our_own_checkpoint(path):
    trained, other, images = net(seed=1), net(seed=2), torch.randn(3, 1, 8, 8)
    assert not torch.equal(trained(images, 5), other(images, 5))
    torch.save(checkpoint(trained, epoch=3, **{"callbacks": {"x": argparse.Namespace(a=1)}}), path)
    load_checkpoint(other, str(path))
    assert all(torch.equal(trained(images, stitch), other(images, stitch)) for stitch in trained.space)
    assert all(stitch.route[-1].norm for stitch in other.space)  # ours are trained with the final norm


def test_missing(tmp_path):
    assert "ckpt_path is missing" in refusal(None)
    assert f"ckpt_path={tmp_path / 'none.ckpt'}: no such file" in refusal(tmp_path / "none.ckpt")
    assert "no such file" in refusal(tmp_path)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_truncated(path, share):
    torch.save(checkpoint(net()), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    message = refusal(path)
    assert str(path) in message
    assert "truncated" in message


def test_no_torch_file(path):
    path.write_text("not a checkpoint\n" * 100)
    assert str(path) in refusal(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "holds a list, not a checkpoint"),
        (torch.zeros(2), "holds a Tensor, not a checkpoint"),
        ({}, "it holds nothing"),
        ({"epoch": 1, "lr": 0.1}, "it holds epoch, lr"),
        ({"state_dict": {"model.weight": torch.zeros(2)}}, "not an SN-Net checkpoint"),
        ({"model": {"weight": torch.zeros(2)}}, "it holds model"),
    ],
)
def test_foreign(path, content, says):
    torch.save(content, path)
    assert says in refusal(path)


def test_weights_of_a_single_anchor(path):
    torch.save(timm.create_model("digits_tiny").state_dict(), path)
    assert "belong to anchors.weights" in refusal(path)


def test_another_family_or_space(path):
    torch.save(checkpoint(net(["digits_small", "digits_base"]), overrides=["anchors=other"]), path)
    message = refusal(path)
    assert "trained with anchors=other, which does not fit" in message
    assert "anchors.0.model.cls_token is (1, 1, 32), not (1, 1, 16)" in message
    torch.save(checkpoint(net(space=PairedSpace(kernel_size=1))), path)
    assert "trained with the default configuration, which does not fit" in refusal(path, net(space=PairedSpace(3)))


def test_code_in_a_file_is_not_run(path):
    made = path.with_name("made")
    torch.save(checkpoint(net(), x=MakesDirectory(str(made))), path)
    assert "safely" in refusal(path)
    assert not made.exists()
    torch.load(path, weights_only=False)  # that it would have been
    assert made.exists()


def test_what_cannot_be_resumed_is_refused_before_training(path, tmp_path):
    require_resumable(net(), None)
    torch.save(checkpoint(net(), optimizer_states=[]), path)
    require_resumable(net(), str(path))
    torch.save(checkpoint(net()), path)
    assert "holds weights only" in refusal(path, load=require_resumable)
    assert "no such file" in refusal(tmp_path / "none.ckpt", load=require_resumable)
    torch.save({"model": {"stitch_layers.0.0.transform.bias": torch.zeros(2)}}, path)
    assert "ckpt_path" in refusal(path, load=require_resumable)
