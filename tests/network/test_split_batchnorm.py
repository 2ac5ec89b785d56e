"""BatchNorms of their own for the second half of a training batch; evaluation and files elsewhere have the first's."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from snnet_lightning import load
from snnet_lightning.anchors import create_anchors
from snnet_lightning.checkpoint_file import read_checkpoint
from snnet_lightning.checkpoints import load_weights
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule, StagedRule

NARROW = {"channels": [8, 8, 16, 16]}


def resnets(seed=0, **options):
    torch.manual_seed(seed)
    anchors = create_anchors(["resnet18", "resnet34"], (3, 32, 32), 10, "checkpoint", NARROW)
    return SNNet(anchors, StagedRule((1, 2)), **options)


@pytest.fixture
def split():
    """A network whose auxiliary norms are not what they started as."""
    net = resnets(split_batchnorm=True)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                value.add_(0.1 * torch.rand_like(value) if ".aux_bn." in name else 0.0)
    return net


def halves_by_hand(net, stitch, images):
    """Each half of the batch meets a convolution's norm of its own: the plain network's, with the norms swapped."""
    plain = resnets()
    other = copy.deepcopy(plain)
    state = net.state_dict()
    plain.load_state_dict({key: state[key] for key in plain.state_dict()})
    auxiliary = {key.replace(".aux_bn.0.", "."): value for key, value in state.items() if ".aux_bn." in key}
    other.load_state_dict({key: auxiliary.get(key, state[key]) for key in other.state_dict()})
    first, second = images.chunk(2)
    return torch.cat([plain.train()(first, stitch.id), other.train()(second, stitch.id)]), plain, other


def test_each_half_goes_through_its_own_norms(split):
    images = torch.randn(8, 3, 32, 32)
    for stitch in (split.space.stitches[0], split.space.stitches[-1]):
        expected, plain, other = halves_by_hand(split, stitch, images)
        before = copy.deepcopy(split)
        torch.testing.assert_close(before.train()(images, stitch), expected, rtol=1e-4, atol=1e-5)
        after = before.state_dict()
        for own, name in ((plain, "{}.running_mean"), (other, "{}.aux_bn.0.running_mean")):
            for key, module in own.named_modules():
                if isinstance(module, nn.BatchNorm2d):
                    torch.testing.assert_close(after[name.format(key)], module.running_mean, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_evaluation_cost_and_description_are_those_of_the_first_half(split):
    plain = resnets()
    plain.load_state_dict({key: split.state_dict()[key] for key in plain.state_dict()})
    images = torch.randn(3, 3, 32, 32)
    for stitch in split.space:
        assert torch.equal(split.eval()(images, stitch), plain.eval()(images, stitch.id))
    assert stitch_costs(split) == stitch_costs(plain)
    assert split.description == plain.description


@torch.no_grad()
def test_files_go_both_ways(split, tmp_path):
    path, images = tmp_path / "x.ckpt", torch.randn(2, 3, 32, 32)
    state = {f"net.{key}": value for key, value in split.state_dict().items()}
    torch.save({"state_dict": state, "description": split.description.as_data()}, path)
    loaded = load(path)  # without auxiliary norms
    assert not any("aux_bn" in key for key in loaded.state_dict())
    assert torch.equal(loaded(images, 1), split.eval()(images, 1))
    again = resnets(seed=1, split_batchnorm=True)
    load_weights(again, read_checkpoint(path, "x"), "x")  # with them
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in split.state_dict().items())
    torch.save({"state_dict": {f"net.{k}": v for k, v in loaded.state_dict().items()}}, path)
    fresh = resnets(seed=2, split_batchnorm=True)
    load_weights(fresh, read_checkpoint(path, "x"), "x")  # from a file without: they start as copies
    for key, value in fresh.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key.replace(".aux_bn.0.", ".")]), key


def test_a_published_file_with_auxiliary_norms_gives_its_first_half(split, tmp_path):
    state = {}
    for key, value in split.state_dict().items():
        owner, index, *rest = key.split(".")
        old = index.replace("_", ".") if owner == "stitching_layers" else index
        name = ".".join([owner.replace("stitching", "stitch"), old, *(rest[1:] if owner == "anchors" else rest)])
        state[name] = value[:, :, None, None] if name.endswith("transform.weight") else value
    assert any(".aux_bn.0." in key for key in state)
    torch.save({"model": state}, tmp_path / "resnets.pth")
    net = resnets(seed=3)
    load_weights(net, read_checkpoint(tmp_path / "resnets.pth", "x"), "x")
    assert all(torch.equal(value, split.state_dict()[key]) for key, value in net.state_dict().items())


def test_an_anchor_starts_from_a_checkpoint_with_auxiliary_norms(split, tmp_path):
    path = tmp_path / "x.ckpt"
    state = {f"net.{key}": value for key, value in split.state_dict().items()}
    torch.save({"state_dict": state, "description": split.description.as_data()}, path)
    anchors = create_anchors(["resnet18", "resnet34"], (3, 32, 32), 10, str(path), NARROW)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(anchors[1].eval()(images), split.eval()(images, 1))


def test_both_halves_are_trained(split):
    images, classes = torch.randn(8, 3, 32, 32), torch.arange(8)
    F.cross_entropy(split.train()(images, 0), classes).backward()
    norms = [p for name, p in split.anchors[0].named_parameters() if ".aux_bn." in name]
    assert norms
    assert all(p.grad.abs().sum() > 0 for p in norms)


def test_what_cannot_be_split_is_refused():
    anchors = create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10)
    with pytest.raises(InputError, match=r"net.split_batchnorm=true: no anchor has a BatchNorm"):
        SNNet(anchors, PairedRule(), split_batchnorm=True)
    anchors = create_anchors(["levit_192", "levit_256"], (3, 224, 224), 10, "checkpoint")
    with pytest.raises(InputError, match=r"levit_192 has a BatchNorm1d, not of feature maps"):
        SNNet(anchors, StagedRule(), split_batchnorm=True)
    net = resnets(split_batchnorm=True)
    with pytest.raises(InputError, match=r"data.batch_size=5: must be even"):
        SNNetModule(net, UniformSampler(1), OptimizerRecipe("sgd", lr=1e-2), batch_size=5)
