"""The anchors alone, one after the other."""

import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.sampler import AnchorsInTurn
from snnet_lightning.stitch import PairedRule


def test_every_anchor_in_turn_on_all_processes():
    space = PairedRule()(["small", "middle", "large"], [(3,)] * 3)
    flops = dict.fromkeys(space, 1)
    drawn = [AnchorsInTurn().draw(flops, step, rank)[0].name for step in range(4) for rank in range(2)]
    assert drawn == ["small", "small", "middle", "middle", "large", "large", "small", "small"]


def test_frozen_anchors_are_told_of():
    space = PairedRule()(["small", "large"], [(3,)] * 2)
    with pytest.raises(InputError, match=r"tuning\.epochs.*net\.freeze_anchors=true"):
        AnchorsInTurn().draw({stitch: 1 for stitch in space if not stitch.is_anchor}, 0)
