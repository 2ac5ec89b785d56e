"""Every anchors configuration trains a few steps and is evaluated, shrunk by debug=default and narrow anchors."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import OmegaConf, open_dict

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted(path.stem for path in (ROOT / "conf" / "anchors").glob("*.yaml"))


def vit(*widths):
    return "anchors.kwargs_each=[" + ",".join(f"{{embed_dim:{w},num_heads:{w // 16}}}" for w in widths) + "]"


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


def composed(family, directory):
    overrides = [f"anchors={family}", "debug=default", *NARROW.get(family, [])]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose(
            "train",
            [*overrides, f"hydra.runtime.output_dir={directory}", "~callbacks.progress"],
            return_hydra_config=True,
        )
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_a_few_steps_and_the_evaluation(family, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(sys, "argv", ["train.py"])
    import train

    train.main(composed(family, tmp_path))
    rows = [json.loads(line) for line in (tmp_path / "stitches.jsonl").read_text().splitlines()]
    assert len(rows) > 3
    assert all(math.isfinite(row["loss"]) and row["images"] == 4 for row in rows)
    state = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 4
    assert all(v.isfinite().all() for v in state["state_dict"].values() if v.is_floating_point())


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_every_stitching_layer_gets_a_gradient(family, tmp_path):
    cfg = composed(family, tmp_path)
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
