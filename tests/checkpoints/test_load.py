"""A file gives back the network that it was made of, by itself; whatever else is given is refused in one line."""

import argparse
import json
import subprocess
import sys

import pytest
import timm
import torch

import snnet_lightning as sn
from snnet_lightning.anchors import AnchorFamily, create_anchors
from snnet_lightning.checkpoint_file import read_checkpoint
from snnet_lightning.checkpoints import load_weights
from snnet_lightning.description import Preprocessing
from snnet_lightning.errors import InputError
from snnet_lightning.network import SNNet, create_net
from snnet_lightning.saved.save import save_network
from snnet_lightning.stitch import PairedRule
from tests.checkpoints.conftest import FAMILIES, MakesDirectory, small_family

TINY, OTHER = {"name": "digits_tiny", "alias": "a"}, {"name": "digits_small", "alias": "b"}


def net(names=("digits_tiny", "digits_small"), rule=None, seed=0, **more):
    torch.manual_seed(seed)
    return SNNet(create_anchors(names, (1, 8, 8), 10, "random"), rule or PairedRule(), **more).eval()


def checkpoint(of, **more):
    """What Lightning stores of a module that keeps the network as ``net``, and describes it."""
    state = {f"net.{key}": value for key, value in of.state_dict().items()}
    return {"state_dict": state, "description": of.description.as_data(), **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "last.ckpt"


def refusal(path, **more):
    with pytest.raises(InputError) as caught:
        sn.load(path, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@torch.no_grad()
def test_our_own_checkpoint(path):
    crop = Preprocessing(mean=(0.3,), std=(0.2,), interpolation="bicubic", crop_pct=0.9)
    names = tuple("abcdefghij")
    saved = net(seed=1, rule=PairedRule(1), low_rank=2, preprocessing=crop, class_names=names)
    torch.save(checkpoint(saved, epoch=3, **{"callbacks": {"x": argparse.Namespace(a=1)}}), path)
    loaded, images = sn.load(path), torch.randn(3, 1, 8, 8)
    assert loaded.description == saved.description
    assert (loaded.preprocessing, loaded.class_names, loaded.training) == (crop, names, False)
    assert len(loaded.space) == len(saved.space) == 2 + 6
    for stitch in saved.space:
        assert torch.equal(loaded(images, stitch.name), saved(images, stitch))


def test_anchors_of_a_file_are_those_of_the_timm_name_and_among_these_of_the_alias(path, tmp_path):
    family = AnchorFamily(
        ("digits_tiny", "digits_small", "digits_tiny"), (1, 8, 8), 10, "random", aliases=("a", "b", "c")
    )
    saved = SNNet(family.create(), PairedRule())
    torch.save(checkpoint(saved), path)
    save_network(saved, tmp_path / "folder")

    def loaded(name, alias, file=path):
        with_it = AnchorFamily((name, "digits_base"), (1, 8, 8), 10, (str(file), "random"), aliases=(alias, "z"))
        state = with_it.create()[0].model.state_dict()
        equal = [all(map(torch.equal, state.values(), anchor.model.state_dict().values())) for anchor in saved.anchors]
        assert equal.count(True) == 1
        return equal.index(True)

    assert loaded("digits_small", "a") == 1  # of that name there is one
    assert loaded("digits_small.sklearn", "x") == 1
    assert loaded("digits_tiny", "a") == 0
    assert loaded("digits_tiny", "c", tmp_path / "folder") == 2
    with pytest.raises(InputError, match=r"has no anchor digits_tiny as b; it has digits_tiny as a, "):
        loaded("digits_tiny", "b")
    with pytest.raises(InputError, match=r"^anchors\.weights=.*: has no anchor digits_base as a"):
        loaded("digits_base", "a")


@pytest.mark.parametrize(
    ("class_names", "new_heads", "told"),
    [
        ("abcdefghij", True, None),
        (None, True, None),
        ("abcdefghix", True, "digits_tiny has a new, random head for 10 classes"),
        ("abcdefghix", False, "heads are for classes of other names; anchors.new_heads=true makes new ones"),
    ],
)
def test_anchors_from_a_checkpoint_of_other_classes(path, caplog, class_names, new_heads, told):
    saved = net(seed=1, class_names=tuple("abcdefghij"))
    torch.nn.init.ones_(saved.anchors[0].model.head.bias)  # others than those of a new head
    torch.save(checkpoint(saved), path)
    family = AnchorFamily(("digits_tiny", "digits_tiny"), (1, 8, 8), 10, (str(path), "random"), new_heads=new_heads)
    with caplog.at_level("INFO", "snnet_lightning"):
        loaded = (
            create_net(family, PairedRule(), class_names=class_names and tuple(class_names))
            .anchors[0]
            .model.state_dict()
        )
    of_heads = [message for message in caplog.messages if "head" in message]
    assert (len(of_heads) == 1 and of_heads[0].endswith(told)) if told else not of_heads
    new = {"head.weight", "head.bias"} if told and new_heads else set()
    own = saved.anchors[0].model.state_dict()
    assert {key for key in own if not torch.equal(loaded[key], own[key])} == new


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_published_file_of_every_family(published, path, family):
    saved = published(family, path)
    loaded, images = sn.load(path, small_family(family)), torch.randn(2, *saved.description.input_size)
    assert [stitch.name for stitch in loaded.space] == [stitch.name for stitch in saved.space]
    for stitch in saved.space:
        expected = saved(images, stitch)
        assert expected.isfinite().all()
        assert torch.equal(loaded(images, stitch.id), expected)


def test_loading_imports_neither_hydra_nor_lightning_and_needs_no_hub(path):
    torch.save(checkpoint(net()), path)
    code = (
        "import sys, json; sys.modules['huggingface_hub'] = None;"  # as if it were not installed
        "import snnet_lightning as sn; net = sn.load(sys.argv[1]);"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stdout))
    assert {"torch", "timm"} <= imported
    assert not imported & {"hydra", "hydra_zen", "omegaconf", "lightning", "fvcore", "matplotlib"}


def test_missing(tmp_path):
    assert f"{tmp_path / 'none.ckpt'}: no such file" in refusal(tmp_path / "none.ckpt")
    assert "no saved SN-Net" in refusal(tmp_path)


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
        ({"state_dict": 3}, "not an SN-Net checkpoint"),
        ({"model": {"weight": torch.zeros(2)}}, "it holds model"),
        ({"model": {3: torch.zeros(2)}}, "it holds model"),
    ],
)
def test_foreign(path, content, says):
    torch.save(content, path)
    assert says in refusal(path)


def test_weights_of_a_single_anchor(path):
    torch.save(timm.create_model("digits_tiny").state_dict(), path)
    assert "belong to anchors.weights" in refusal(path)


def test_a_file_that_does_not_name_its_anchors(published, path):
    published("resnet18_50", path)
    assert "a published file does not say which anchors it is of; name its anchors" in refusal(path)
    message = refusal(path, anchors=AnchorFamily(("resnet18", "resnet34"), (3, 32, 32), 10, "checkpoint"))
    assert "a published SN-Net file, but not of these anchors (resnet18, resnet34): " in message


@torch.no_grad()
def test_a_checkpoint_of_version_0_1(path):
    saved, images = net(seed=1, rule=PairedRule(1)), torch.randn(2, 1, 8, 8)
    old = checkpoint(saved, overrides=["stitch.kernel_size=1", {"no": "word"}])
    del old["description"]
    torch.save(old, path)
    assert "version 0.1 does not describe its network (trained with stitch.kernel_size=1 {'no'" in refusal(path)
    names = ["digits_tiny", "digits_small"]
    assert "name its stitch rule too" in refusal(path, anchors=names)
    loaded = sn.load(path, names, PairedRule(1))
    assert all(torch.equal(loaded(images, stitch), saved(images, stitch)) for stitch in saved.space)


def test_weights_into_another_network(path):
    torch.save(checkpoint(net(["digits_small", "digits_base"]), overrides=["anchors=other"]), path)
    into = net(seed=5)
    before = {key: value.clone() for key, value in into.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_weights(into, read_checkpoint(path, "x"), "ckpt_path=x")
    assert all(torch.equal(value, before[key]) for key, value in into.state_dict().items())
    assert "ckpt_path=x: does not fit the configured network (trained with anchors=other)" in str(caught.value)
    assert "anchors.0.model.cls_token is (1, 1, 32), not (1, 1, 16)" in str(caught.value)


@torch.no_grad()
def test_new_heads_where_the_classes_differ(path):
    saved = net(seed=1)
    torch.save(checkpoint(saved), path)
    torch.manual_seed(2)
    into = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 3, "random"), PairedRule()).eval()
    heads = [anchor.model.head.weight.clone() for anchor in into.anchors]
    content = read_checkpoint(path, "x")
    with pytest.raises(InputError, match=r"head.weight is \(10, 16\), not \(3, 16\)"):
        load_weights(into, content, "x")
    assert load_weights(into, content, "x", new_heads="reshaped") == ["digits_tiny", "digits_small"]
    assert into.initialised
    for key, value in into.state_dict().items():
        if ".head." not in key:
            assert torch.equal(value, saved.state_dict()[key])
    assert all(torch.equal(a.model.head.weight, head) for a, head in zip(into.anchors, heads, strict=True))


def test_code_in_a_file_is_not_run(path):
    made = path.with_name("made")
    torch.save(checkpoint(net(), x=MakesDirectory(str(made))), path)
    assert "safely" in refusal(path)
    assert not made.exists()
    torch.load(path, weights_only=False)  # that it would have been
    assert made.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "format 2; this version reads up to 1"),
        ({"anchors": 3}, "anchors=3: must be a list"),
        ({"anchors": [{"name": "digits_tiny", "alias": "a"}]}, "must be a list of at least 2"),
        ({"anchors": [TINY | {"name": "hf-hub:some/model"}, OTHER]}, "timm has no model 'hf-hub:some/model'"),
        ({"anchors": [TINY, TINY]}, "told apart by their aliases"),
        ({"anchors": [TINY | {"alias": "a[:2] > b"}, OTHER]}, "anchors.0.alias='a[:2] > b': must be text that fits"),
        ({"anchors": [TINY | {"kwargs": {"_target_": "os.getcwd"}}, OTHER]}, "'_target_'"),
        ({"anchors": [TINY | {"kwargs": 5}, OTHER]}, "kwargs"),
        ({"anchors": [TINY | {"kwargs": {"checkpoint_path": "x"}}, OTHER]}, "said elsewhere"),
        ({"anchors": [TINY | {"alias": "\x1b[31ma"}, OTHER]}, "anchors.0.alias='\\x1b[31ma': must be text that fits"),
        ({"anchors": [TINY, OTHER | {"alias": "<script>"}]}, "anchors.1.alias='<script>': must be text that fits"),
        ({"num_classes": "many"}, "num_classes='many': must be a whole number"),
        ({"stitch": {"space": "os.system"}}, "there is no stitch rule 'os.system'; there are paired, staged"),
        ({"stitch": {"_target_": "os.system"}}, "the key '_target_' is not allowed here"),
        ({"stitch": {"space": {}}}, "there is no stitch rule"),
        ({"stitch": {"space": "paired", "kernel_size": 0}}, "kernel_size=0: must be above 0"),
        ({"layers": {"low_rank": "x"}}, "layers.low_rank='x': must be a whole number"),
        ({"class_names": ["one"]}, "1 class names for 10 classes"),
        ({"run": "me"}, "run='me': there is no such option"),
    ],
)
def test_nonsense_in_a_description(path, change, says):
    whole = checkpoint(net())
    whole["description"] |= change
    torch.save(whole, path)
    message = refusal(path)
    assert says in message
    assert str(path) in message or "timm has no" in message or "said elsewhere" in message


def test_no_description_at_all(path):
    torch.save(checkpoint(net()) | {"description": "digits"}, path)
    assert "holds no description of an SN-Net: must be a mapping" in refusal(path)
