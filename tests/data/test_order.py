"""Orders of training and evaluation over several processes."""

from collections import Counter

import pytest

from snnet_lightning.data.order import PADDING, Batches, TrainingOrder, evaluation_order


@pytest.mark.parametrize("size", [30, 31, 32])
def test_three_processes_share_an_epoch_without_overlap_but_for_the_remainder(size):
    shares = [[draw.index for draw in TrainingOrder(size, 0, rank, 3)] for rank in range(3)]
    assert [len(share) for share in shares] == [10, 10, 10]
    together = [index for share in shares for index in share]
    assert len(set(together)) == 30
    assert set(together) <= set(range(size))
    assert together != sorted(together)
    assert len(TrainingOrder(size, 0, 0, 3)) == 10


@pytest.mark.parametrize("repeats", [1, 3])
def test_order_and_seeds_follow_from_seed_epoch_and_process_only(repeats):
    def drawn(seed, epoch, rank):
        order = TrainingOrder(24, seed, rank, 2, repeats)
        order.set_epoch(epoch)
        return list(order)

    first = drawn(1, 2, 0)
    assert drawn(1, 2, 0) == first
    for other in (drawn(2, 2, 0), drawn(1, 3, 0)):
        assert [draw.index for draw in other] != [draw.index for draw in first]
        assert not {draw.seed for draw in other} & {draw.seed for draw in first}
    assert not {draw.seed for draw in drawn(1, 2, 1)} & {draw.seed for draw in first}


def test_repeated_augmentation_spreads_the_repeats_over_the_processes():
    shares = [list(TrainingOrder(36, 5, rank, 3, repeats=3)) for rank in range(3)]
    counts = Counter(draw.index for share in shares for draw in share)
    assert sum(counts.values()) == 36
    assert set(counts.values()) == {3}
    seeds = [draw.seed for share in shares for draw in share]
    assert len(set(seeds)) == len(seeds)


def test_every_epoch_is_the_first_if_asked_for():
    order = TrainingOrder(20, 1, every_epoch_the_first=True)
    first = list(order)
    assert first == list(TrainingOrder(20, 1))
    order.set_epoch(3)
    assert list(order) == first


@pytest.mark.parametrize(("first", "stop"), [(0, None), (2, None), (1, 3), (5, None), (0, 0), (7, None)])
def test_some_batches_of_an_order(first, stop):
    batches = Batches(TrainingOrder(20, 1), 4, drop_last=True)
    whole = list(batches)
    batches.first, batches.stop = first, stop
    assert list(batches) == whole[first:stop]
    assert len(batches) == len(whole) == 5


def evaluation_batches(size, rank, world):
    return Batches(evaluation_order(size, rank, world), 2, drop_last=False)


@pytest.mark.parametrize("world", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [1, 4, 7, 13, 15])
def test_evaluation_sees_every_image_once_in_equally_many_batches(size, world):
    shares = [list(evaluation_batches(size, rank, world)) for rank in range(world)]
    draws = [draw for share in shares for batch in share for draw in batch]
    assert sorted(draw.index for draw in draws if draw != PADDING) == list(range(size))
    assert len({len(share) for share in shares}) == 1
    assert len({sum(map(len, share)) for share in shares}) == 1
    assert all(len(share) == len(evaluation_batches(size, 0, world)) for share in shares)
    assert len(draws) - size < world  # no more padding than needed
