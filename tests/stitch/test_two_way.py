"""The two-way rule of SN-Netv2 against its published ids."""

import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.stitch import TwoWayRule


@pytest.mark.parametrize("large", [12, 24])
def test_134_of_135_ids_can_be_run(large):
    space = TwoWayRule()(["s", "l"], [(12,), (large,)])
    assert [s.id for s in space] == [i for i in range(135) if i != 13]
    assert len(space.crossings) == 22
    assert len(space.idle) == 1


def test_routes_by_hand():
    space = TwoWayRule()(["s", "l"], [(3,), (6,)])
    assert [s.name for s in space] == [
        "s",
        "l",
        "s[:1] > l[2:]",
        "s[:2] > l[4:]",  # after the third block nothing of l would be left: id 4 is not there
        "l[:2] > s[1:]",
        "l[:4] > s[2:]",
        "l[:2] > s[1:2] > l[4:]",
        "s[:1] > l[2:4] > s[2:]",
    ]
    assert [s.id for s in space] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_twice_crossed_stitches_reuse_the_layers():
    space = TwoWayRule()(["s", "l"], [(12,), (24,)])
    once = {layer for s in space if len(s.anchors) == 2 for layer in s.route if layer in space.crossings}
    assert once == set(space.crossings)


def test_the_id_that_is_not_run_says_why():
    with pytest.raises(InputError, match="stitch 13 runs no block of its last anchor"):
        TwoWayRule()(["s", "l"], [(12,), (24,)])[13]


@pytest.mark.parametrize(
    ("depths", "says"),
    [
        ([(12,)] * 3, "exactly two anchors, not 3"),
        ([(24,), (12,)], "not deeper than the second"),
        ([(2, 2), (2, 2)], "of one stage"),
    ],
)
def test_unfit_anchors_are_refused(depths, says):
    with pytest.raises(InputError, match=says):
        TwoWayRule()([f"a{i}" for i in range(len(depths))], depths)
