"""Every published family by its configuration: ids, names' order and FLOPs, exactly."""

import json
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from snnet_lightning.evaluation.cost import stitch_costs

ROOT = Path(__file__).parents[2]


def network(*overrides):
    """The network of a configuration.

    Weights of large vision transformers are whatever was in memory: to draw them takes long, and costs do not depend
    on them.
    """
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("evaluate", [*overrides, "accuracy=false"], return_hydra_config=False)
    nodes = OmegaConf.create({"net": cfg.net, "anchors": cfg.anchors, "stitch": cfg.stitch})
    if not cfg.anchors.names[-1].startswith("deit3"):
        return instantiate(nodes.net)
    with torch.device("meta"):
        net = instantiate(nodes.net)
    return net.to_empty(device="cpu")


@pytest.mark.parametrize("family", ["swin_ti_s_b", "resnet18_50", "resnet18_swin_ti", "levit_192_256", "deit3_s_l"])
def test_flops_are_the_published_ones(family):
    golden = json.loads((ROOT / "tests" / "golden" / f"flops_{family}.json").read_text())["flops"]
    assert [cost.flops for cost in stitch_costs(network(f"anchors={family}")).values()] == golden


@pytest.mark.parametrize("family", ["deit3_s_b", pytest.param("deit3_b_l", marks=pytest.mark.slow)])
def test_two_way_ids_and_additive_flops(family):
    """No published figures: two anchors, then every id; a stitch crossed twice costs what its two crossings imply."""
    net = network(f"anchors={family}")
    costs = {stitch.id: cost.flops for stitch, cost in stitch_costs(net).items()}
    assert list(costs) == [i for i in range(135) if i != 13]
    small, large = costs[0], costs[1]
    down, up, both = net.space[14], net.space[3], net.space[25]  # l > s[1:], s[:2] > l, l > s[1:2] > l
    assert [s.anchors for s in (down, up, both)] == [(1, 0), (0, 1), (1, 0, 1)]
    # Both single crossings together run everything that the double one runs, and one whole network of each size less
    # what the double one leaves out: stems and heads swap sides, so they cancel.
    assert costs[both.id] - costs[down.id] - costs[up.id] == -small - large + large
