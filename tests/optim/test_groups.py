"""Every trainable parameter is in one group, the right one."""

import pytest

from snnet_lightning.anchors import create_anchors
from snnet_lightning.network import SNNet
from snnet_lightning.optim.groups import parameter_groups
from snnet_lightning.stitch import StagedRule


@pytest.fixture
def groups(digits_net):
    return {g["name"]: g for g in parameter_groups(digits_net, 0.05, anchor_lr_scale=0.1, stitch_lr_scale=1.0)}


def test_names_decay_and_scale(groups):
    assert {name: (g["weight_decay"], g["lr_scale"]) for name, g in groups.items()} == {
        "anchors_decay": (0.05, 0.1),
        "anchors_no_decay": (0.0, 0.1),
        "stitching_layers_decay": (0.05, 1.0),
        "stitching_layers_no_decay": (0.0, 1.0),
    }


def test_every_parameter_is_in_the_group_it_belongs_to(digits_net, groups):
    placed = [(name, id(p)) for name, g in groups.items() for p in g["params"]]
    expected = []
    for name, parameter in digits_net.named_parameters():
        spared = parameter.ndim <= 1 or name.rsplit(".", 1)[-1] in ("pos_embed", "cls_token")
        expected.append((f"{name.split('.')[0]}_{'no_decay' if spared else 'decay'}", id(parameter)))
    assert sorted(placed) == sorted(expected)
    assert sum("pos_embed" in name for name, _ in digits_net.named_parameters()) == 3


def test_without_decay_no_group_has_any(digits_net):
    groups = parameter_groups(digits_net, 0.0, 1.0, 1.0)
    assert all(g["weight_decay"] == 0 for g in groups)
    placed = [id(p) for g in groups for p in g["params"]]
    assert sorted(placed) == sorted(map(id, digits_net.parameters()))


def test_positions_and_stitching_biases_decay_where_wanted(digits_net):
    for positions in (False, True):
        for biases in (False, True):
            groups = parameter_groups(digits_net, 0.05, 0.1, 1.0, positions, biases)
            decayed = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
            for name, parameter in digits_net.named_parameters():
                if name.endswith(("pos_embed", "cls_token")):
                    expected = positions
                elif name.startswith("stitching_layers") and name.endswith("bias"):
                    expected = biases
                else:
                    expected = parameter.ndim > 1
                assert (id(parameter) in decayed) == expected, name


@pytest.mark.parametrize(
    ("names", "size", "named"),
    [
        (["swin_tiny_patch4_window7_224"] * 2, 224, "relative_position_bias_table"),
        (["levit_192", "levit_256"], 224, "attention_biases"),
    ],
)
def test_position_biases_of_families_decay_where_wanted(names, size, named):
    net = SNNet(create_anchors(names, (3, size, size), 10, "checkpoint"), StagedRule())
    ids = {id(parameter) for name, parameter in net.named_parameters() if name.endswith(named)}
    assert len(ids) >= 24
    for positions in (False, True):
        groups = parameter_groups(net, 0.05, 1.0, 1.0, decay_positions=positions)
        decayed = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
        assert ids & decayed == (ids if positions else set())


def test_frozen_parameters_are_left_out(digits_net):
    digits_net.anchors.requires_grad_(False)
    groups = parameter_groups(digits_net, 0.05, 0.1, 1.0)
    assert [g["name"] for g in groups] == ["stitching_layers_no_decay", "stitching_layers_decay"]
