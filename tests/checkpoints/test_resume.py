"""What training cannot go on from is refused before it begins."""

import pytest
import torch

from snnet_lightning.checkpoints.resume import require_resumable
from snnet_lightning.errors import InputError
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule
from tests.checkpoints.test_load import checkpoint, net

WHOLE = {
    "optimizer_states": [{"state": {}, "param_groups": []}],
    "lr_schedulers": [{"lr": 1}],
    "loops": {"fit_loop": {}},
    "callbacks": {"LogDrawnStitches": {}},
    "epoch": 1,
    "global_step": 19,
    "pytorch-lightning_version": "2.6.6",
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "last.ckpt"


def refusal(path, of: SNNet | None = None):
    with pytest.raises(InputError) as caught:
        require_resumable(of or net(), str(path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"ckpt_path={path}: ")
    return str(caught.value)


def test_whole_ones(path):
    require_resumable(net(), None)
    torch.save(checkpoint(net(), **WHOLE), path)
    require_resumable(net(), str(path))
    old = checkpoint(net(), **WHOLE)
    del old["description"]  # of version 0.1
    torch.save(old, path)
    require_resumable(net(), str(path))


@pytest.mark.parametrize("key", WHOLE)
@pytest.mark.parametrize("value", ["cut", None, {}, [], [3], "text", -1, "0.1.0", "99.0"])
def test_a_checkpoint_from_which_something_was_cut(path, key, value):
    content = checkpoint(net(), **WHOLE)
    if value == "cut":
        del content[key]
    else:
        content[key] = value
    torch.save(content, path)
    message = refusal(path)
    assert f"lacks {key}" in message
    assert f", so training cannot go on from it; init_from={path} starts a new training" in message


def test_another_network_of_the_same_shapes(path):
    """A window of two blocks without the final norm has the same tensors, and computes something else."""
    torch.save(checkpoint(net(rule=PairedRule(final_norm=False)), **WHOLE), path)
    assert "they differ in stitch.final_norm (False, True)" in refusal(path)


def test_another_family(path):
    torch.save(checkpoint(net(["digits_small", "digits_base"]), **WHOLE), path)
    assert "anchors.0.name (digits_small, digits_tiny)" in refusal(path)


def test_files_that_are_none_of_ours(published, path, tmp_path):
    assert "no such file" in refusal(tmp_path / "none.ckpt")
    published("resnet18_50", path)
    assert f"a published file holds weights only.*init_from={path}".split(".*")[0] in refusal(path)
    torch.save({"weight": torch.zeros(2)}, path)
    assert "belong to anchors.weights" in refusal(path)
