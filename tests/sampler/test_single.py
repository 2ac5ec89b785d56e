"""Always the one asked for."""

import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.sampler import SingleSampler
from snnet_lightning.stitch import PairedRule

FLOPS = dict.fromkeys(PairedRule()(["a", "b"], [(3,), (3,)]), 1)


@pytest.mark.parametrize(("asked", "found"), [("b", 1), (1, 1), ("a[:1] > b[1:]", 3), (8, 8)])
def test_by_name_or_id(asked, found):
    assert {s.id for step in range(50) for rank in (0, 1) for s in SingleSampler(asked).draw(FLOPS, step, rank)} == {
        found
    }


@pytest.mark.parametrize("asked", ["c", 9, "a[:3]"])
def test_another_is_refused(asked):
    with pytest.raises(InputError, match=r"sampler.stitch=.*: no stitch that is trained .*; there are a, b, "):
        SingleSampler(asked).draw(FLOPS, 0)
