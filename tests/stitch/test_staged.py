"""The staged rule against the published counts and a listing made by hand."""

import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.stitch import FittingRule, StagedRule
from snnet_lightning.stitch.staged import matching_stages, stage_pairs


@pytest.mark.parametrize(
    ("stages", "depths", "stitches", "layers"),
    [
        ("all_but_last", [(2, 2, 6, 2), (2, 2, 18, 2), (2, 2, 18, 2)], 41, 27),  # Swin-Ti/S/B
        ([1, 2], [(2, 2, 2, 2), (3, 4, 6, 3)], 10, 4),  # ResNet-18/50
        ([1, 2], [(2, 2, 2, 2), (2, 2, 6, 2)], 8, 3),  # ResNet-18/Swin-Ti
        ([0, 1], [(4, 4, 4), (4, 4, 4)], 8, 6),  # LeViT-192/256
    ],
)
def test_published_counts(stages, depths, stitches, layers):
    names = [f"a{i}" for i in range(len(depths))]
    space = StagedRule(stages)(names, depths)
    assert [s.id for s in space] == list(range(stitches))
    assert len(space.crossings) == layers


def test_equal_depths_by_hand():
    assert list(stage_pairs(4, 4, 2, 1)) == [(0, 1, 0), (1, 2, 1), (2, 3, 2)]


def test_deeper_end_by_hand():
    # blocks 0..5 of the end correspond to 0, 0, 0, 1, 1, 1 of the front; (0 -> 0) would skip the front's entry
    assert list(stage_pairs(2, 6, 2, 1)) == [(0, 1, 0), (0, 2, 0), (1, 3, 0), (1, 4, 1), (1, 5, 1)]


def test_deeper_front_by_hand():
    # after a share (j + 1) / 6 of the front, the end goes on at the first block that begins no earlier
    assert list(stage_pairs(6, 3, 2, 1)) == [(0, 1, 0), (1, 1, 0), (2, 2, 1), (3, 2, 1)]


@pytest.mark.parametrize(("front", "end"), [(2, 2), (2, 18), (5, 7), (18, 6), (7, 5)])
def test_a_staged_stitch_never_enters_at_the_first_block(front, end):
    pairs = list(stage_pairs(front, end, 2, 1))
    assert pairs
    assert all(0 <= j < front and 1 <= k < end for j, k, _ in pairs)
    assert {layer for *_, layer in pairs} == set(range(max(layer for *_, layer in pairs) + 1))


def test_names_give_stage_and_block():
    space = StagedRule()(["swin_tiny", "swin_small"], [(2, 2, 6, 2), (2, 2, 18, 2)])
    assert "swin_tiny[2:3] > swin_small[2:7]" in [s.name for s in space]


def test_a_stage_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="there is no stage 4; the anchors have stages 0 to 3"):
        StagedRule([1, 4])(["a", "b"], [(2, 2, 2, 2)] * 2)


def test_nothing_to_stitch_is_refused():
    with pytest.raises(InputError, match="nothing to stitch between a, b"):
        StagedRule()(["a", "b"], [(1, 1), (1, 1)])


def test_anchors_with_other_numbers_of_stages_meet_where_they_have_as_many_pixels():
    assert matching_stages((3136, 784, 196, 196, 49, 49), (12544, 3136, 784, 196, 196, 49, 49)) == [
        (0, 1), (1, 2), (2, 3), (3, 4),
    ]  # fmt: skip
    assert matching_stages((196,), (3136, 784, 196, 49)) == [(0, 2)]
    with pytest.raises(InputError, match="cannot be numbered"):
        StagedRule([0])(["a", "b"], [(2,), (2, 2)], [(196,), (196, 49)])


def test_the_fitting_rule_goes_by_shape():
    assert FittingRule()(["a", "b"], [(12,), (12,)]).kind == "paired"
    assert FittingRule()(["a", "b"], [(12,), (24,)]).kind == "two_way"
    assert FittingRule()(["a", "b"], [(2, 2), (2, 4)]).kind == "staged"
