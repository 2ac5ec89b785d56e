"""The paired rule against the counts of the paper and a listing made by hand."""

import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.stitch import PairedRule
from snnet_lightning.stitch.paired import sliding_window_pairs
from snnet_lightning.stitch.route import Block, Head, Layer, Stem

DEIT = ["deit_tiny", "deit_small", "deit_base"]


def test_depth_12_gives_the_published_34_pairs_and_11_layers():
    pairs = list(sliding_window_pairs(12, 2, 1))
    assert len(pairs) == 34
    assert {layer for _, _, layer in pairs} == set(range(11))


def test_order_and_layers_by_hand():
    assert list(sliding_window_pairs(3, 2, 1)) == [
        (0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0),
        (1, 2, 1), (2, 1, 1), (2, 2, 1),
    ]  # fmt: skip


def test_windows_are_cut_short_at_the_depth():
    assert list(sliding_window_pairs(3, 2, 2)) == [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (2, 2, 1)]


def test_deit_space_has_71_stitches_in_the_published_order():
    space = PairedRule()(DEIT, [(12,)] * 3)
    assert [s.id for s in space] == list(range(71))
    assert [s.name for s in space][:5] == [
        *DEIT,
        "deit_tiny[:1] > deit_small[0:]",
        "deit_tiny[:1] > deit_small[1:]",
    ]
    assert space[37].name == "deit_small[:1] > deit_base[0:]"
    assert len(space.crossings) == 22


def test_route_of_a_stitch():
    space = PairedRule()(["a", "b"], [(3,), (3,)])
    stitch = space["a[:2] > b[2:]"]
    assert stitch.route == (Stem(0), Block(0, 0, 0), Block(0, 0, 1), Layer((0, 1)), Block(1, 0, 2), Head(1))
    assert stitch.anchors == (0, 1)


def test_without_final_norm_spares_the_anchors():
    space = PairedRule(final_norm=False)(["a", "b"], [(3,), (3,)])
    assert {s.route[-1].norm for s in space if s.is_anchor} == {True}
    assert {s.route[-1].norm for s in space if not s.is_anchor} == {False}


def test_all_pairs():
    space = PairedRule(pairs="all")(DEIT, [(12,)] * 3)
    assert len(space) == 3 + 3 * 34
    assert space[37].name.startswith("deit_tiny[:1] > deit_base")


@pytest.mark.parametrize("depths", [[(12,), (24,)], [(2, 2), (2, 2)]])
def test_unfit_depths_are_refused(depths):
    with pytest.raises(InputError, match=r"one stage and equal depth.*a \d.*b \d"):
        PairedRule()(["a", "b"], depths)


@pytest.mark.parametrize(("key", "says"), [(71, "ids run from 0 to 70"), (-1, "ids run"), ("x", "name reads like")])
def test_an_unknown_stitch_is_refused(key, says):
    with pytest.raises(InputError, match=says):
        PairedRule()(DEIT, [(12,)] * 3)[key]
