"""Every anchors configuration trains, shrunk by debug=default and narrow anchors."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from snnet_lightning.command.instantiate import instantiate
from tests.command_line.test_experiments import EXPERIMENTS as PUBLISHED
from tests.command_line.test_experiments import vit

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted(path.stem for path in (ROOT / "conf" / "anchors").glob("*.yaml"))


def swin(width):
    return f"{{embed_dim:{width},num_heads:[1,2,4,8]}}"


NARROW = {
    "deit_ti_s_b": [vit(16, 32, 48)],
    "deit3_s_b": [vit(16, 32)],
    "deit3_s_l": [vit(16, 32)],
    "deit3_b_l": [vit(16, 32)],
    "swin_ti_s_b": [f"anchors.kwargs_each=[{swin(8)},{swin(8)},{swin(16)}]"],
    "resnet18_swin_ti": [f"anchors.kwargs_each=[{{}},{swin(8)}]"],
    "timm": ["anchors.names=[convnext_atto,convnext_femto]"],
    "digits": ["anchors.input_size=[1,8,8]"],
}


def overrides(family):
    return ["experiment=none", f"anchors={family}", "debug=default", *NARROW.get(family, [])]


@pytest.mark.parametrize("family", sorted({*CONFIGURATIONS} - {*PUBLISHED}))  # those train in test_experiments.py
def test_a_few_steps_and_the_evaluation(family, assert_trains):
    assert_trains(*overrides(family), steps=4)


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_every_stitching_layer_gets_a_gradient(family, composed, tmp_path):
    cfg = composed(*overrides(family), directory=tmp_path)
    OmegaConf.resolve(cfg)
    net = instantiate(cfg.net).train()
    images = torch.randn(2, *cfg.anchors.input_size)
    waiting = set(net.space.crossings)
    for stitch in net.space:
        drawn = waiting & set(stitch.route)
        if not drawn:
            continue
        net.zero_grad()
        loss = net(images, stitch).logsumexp(1).sum()
        loss.backward()
        assert loss.isfinite()
        for layer in drawn:
            module = net.stitching_layers["_".join(map(str, layer.key))]
            trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
            # With B at zero, A has none yet.
            assert all(p.grad.abs().sum() > 0 for name, p in trained.items() if not name.endswith("lora_A"))
            assert all(p.grad.isfinite().all() for p in trained.values())
        waiting -= drawn
    assert not waiting
