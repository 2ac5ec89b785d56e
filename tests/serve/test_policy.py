"""Policies without any server: the rule against brute force, hysteresis, and a queue in simulated time."""

import random
import tracemalloc
from collections import Counter, deque

import pytest

from snnet_lightning.errors import InputError
from snnet_lightning.serve.policy import Fixed, Profile, Slack, create_policy, gains, headrooms, worthwhile

LADDER = [
    Profile(i, f"s{i}", 70.0 + 5 * i, {1: 2.0**i, 4: 2.0 * 2**i}) for i in range(5)
]  # 1 to 16 ms, 4 at once twice
GREEDY = {"headroom": 0.0, "most_headroom": 0.0, "hysteresis": 0.0}  # nothing is kept, nothing has to be left over


def random_profiles(seed: int) -> list[Profile]:
    draw = random.Random(seed)
    return [
        Profile(i, f"s{i}", draw.randint(0, 20) * 5.0, {1: (one := draw.uniform(1, 20)), 8: one * draw.uniform(2, 8)})
        for i in range(draw.randint(1, 40))
    ]


@pytest.mark.parametrize("seed", range(60))
def test_the_first_choice_is_the_most_accurate_that_fits(seed):
    """With nothing remembered and nothing to be left over, against every stitch of the table."""
    profiles, draw = random_profiles(seed), random.Random(-seed)
    for _ in range(30):
        slack, queue, batch = draw.uniform(-5, 200), draw.randint(0, 40), draw.randint(1, 8)
        chosen = profiles[Slack(profiles, 8, **GREEDY).choose(slack, queue, batch)]
        batches = 1 + -(-queue // 8)
        fitting = [profile for profile in profiles if batches * profile.at(batch) <= slack]
        if fitting:
            assert chosen.acc1 == max(profile.acc1 for profile in fitting)
            assert batches * chosen.at(batch) <= slack
        else:
            assert chosen.at(batch) == min(profile.at(batch) for profile in profiles)


@pytest.mark.parametrize("seed", range(30))
def test_only_stitches_that_no_other_beats_are_worth_while(seed):
    profiles = random_profiles(seed)
    kept = {profile.id for profile in worthwhile(profiles, 8)}
    for profile in profiles:
        beaten = any(
            o.acc1 >= profile.acc1 and o.at(8) <= profile.at(8) and (o.acc1, -o.at(8)) != (profile.acc1, -profile.at(8))
            for o in profiles
        )
        assert (profile.id in kept) == (not beaten)


def test_with_more_time_it_is_never_less_accurate():
    for queue in (0, 3, 9):
        accuracies = [LADDER[Slack(LADDER, 4, **GREEDY).choose(slack / 4, queue, 1)].acc1 for slack in range(400)]
        assert accuracies == sorted(accuracies)
        assert len(set(accuracies)) == 5


def test_it_goes_down_at_once_and_up_only_with_time_left_over():
    policy = Slack(LADDER, 1, **GREEDY | {"hysteresis": 0.25})
    chosen = [policy.choose(slack, 0, 1) for slack in (7.9, 8.5, 9.9, 10.7, 8.0, 7.9, 8.0, 22.0)]
    # 8 ms fit into 8 ms; from below, three quarters of the slack have to hold them.
    assert chosen == [2, 2, 2, 3, 3, 2, 2, 4]


def test_what_was_chosen_last_is_known_by_its_accuracy_at_other_batch_sizes():
    """One image at a time, b is slower than a and more accurate; four at a time it is faster as well."""
    times = {"a": (70.0, 2.0, 20.0), "b": (80.0, 4.0, 10.0), "c": (90.0, 8.0, 12.0)}
    profiles = [Profile(i, name, acc1, {1: one, 4: four}) for i, (name, (acc1, one, four)) in enumerate(times.items())]
    policy = Slack(profiles, 4, **GREEDY | {"hysteresis": 0.5})
    assert policy.choose(3.9, 0, 1) == 0
    assert policy.choose(11.0, 0, 4) == 1  # nothing is faster
    assert policy.choose(5.0, 0, 1) == 1  # it fits still, and was the last one
    assert policy.choose(15.0, 0, 1) == 1  # c fits, but not into half of it
    assert policy.choose(16.0, 0, 1) == 2


def test_headroom_is_kept_free():
    policy = Slack(LADDER, 1, headroom=0.5, most_headroom=0.5, hysteresis=0.0)
    assert [policy.choose(slack, 0, 1) for slack in (16.1, 15.9)] == [3, 2]


def test_what_gains_little_for_its_time_keeps_more():
    """1, 2 and 4 ms: 20 points for the first millisecond more, then 1 point for each; and b, which a mix beats."""
    times = {"fast": (60.0, 1.0), "knee": (80.0, 2.0), "b": (80.5, 3.0), "slow": (82.0, 4.0)}
    profiles = [Profile(i, name, acc1, {1: ms}) for i, (name, (acc1, ms)) in enumerate(times.items())]
    least = {}  # the least slack, in tenths of a millisecond, that each is chosen with
    policy = Slack(profiles, 1, headroom=0.2, most_headroom=0.6, hysteresis=0.0)
    for tenths in range(200, 0, -1):
        least[profiles[policy.choose(tenths / 10, 0, 1)].name] = tenths
    # 2 ms are 80 % of 2.5; 4 and 3 are 40 % of 10 and 7.5
    assert least == {"slow": 100, "b": 75, "knee": 25, "fast": 1}


def test_between_the_two_shares_the_logarithm_of_the_gain_decides():
    assert gains([91.0, 90.0, 80.0, 0.0], [4.0, 3.0, 2.0, 1.0]) == [1.0, 10.0, 80.0]
    assert headrooms([1.0, 10.0, 100.0], 0.2, 0.6) == pytest.approx([0.6, 0.4, 0.2, 0.2])
    assert headrooms([3.0], 0.2, 0.6) == [0.2, 0.2]
    assert headrooms([], 0.2, 0.6) == [0.2]
    with pytest.raises(InputError, match=r"policy.most_headroom=0.1: must be at least policy.headroom=0.2"):
        Slack(LADDER, 1, headroom=0.2, most_headroom=0.1)


def test_batches_between_those_measured_and_beyond():
    profile = Profile(0, "a", 50.0, {2: 4.0, 4: 6.0})
    assert [profile.at(batch) for batch in (1, 2, 3, 4, 6)] == [4.0, 4.0, 5.0, 6.0, 8.0]
    assert Profile(0, "a", 50.0, {1: 3.0}).at(4) == 12.0


def test_fixed():
    assert Fixed(LADDER, 3).choose(-1.0, 100, 4) == 3
    assert Fixed(LADDER, "s2").choose(1e9, 0, 1) == 2
    with pytest.raises(InputError, match=r"policy.stitch=s9: there is no such stitch"):
        Fixed(LADDER, "s9")


def test_slack_needs_latencies():
    with pytest.raises(InputError, match="no latency is known"):
        Slack([Profile(0, "a", 50.0, {})], 4)


def test_a_policy_is_made_as_the_configuration_says():
    made = create_policy({"_target_": "snnet_lightning.serve.policy.Fixed", "stitch": 2}, LADDER)
    assert made.choose(0, 0, 1) == 2


def bytes_that_stay(policy):
    """Of a thousand decisions, and of what other threads of this process do meanwhile."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(1000):
        policy.choose(i % 40, i % 7, 1 + i % 4)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


def test_a_decision_allocates_nothing_that_stays():
    policy = Slack(LADDER, 4)
    policy.choose(5.0, 3, 2)
    assert min(bytes_that_stay(policy) for _ in range(5)) < 1000


def simulated(choose, arrivals, slo_ms):
    """A server of one request at a time, in simulated milliseconds; (share in time, mean accuracy, stitches)."""
    waiting, now, coming = deque(), 0.0, deque(arrivals)
    in_time, accuracy, used = 0, 0.0, Counter()
    while coming or waiting:
        if not waiting:
            now = max(now, coming[0])
        while coming and coming[0] <= now:
            waiting.append(coming.popleft())
        arrived = waiting.popleft()
        stitch = LADDER[choose(arrived + slo_ms - now, len(waiting), 1)]
        now += stitch.ms[1]
        in_time += now <= arrived + slo_ms
        accuracy += stitch.acc1
        used[stitch.id] += 1
    return in_time / len(arrivals), accuracy / len(arrivals), used


def test_under_load_it_is_in_time_and_better_than_the_best_stitch_that_is():
    draw, now, arrivals = random.Random(1), 0.0, []
    for i in range(20_000):
        now += draw.expovariate(1 / (12.0 if i // 2000 % 2 else 3.0))  # ms; busy and quiet times in turn
        arrivals.append(now)
    policy = Slack(LADDER, max_batch=1)
    share, accuracy, used = simulated(policy.choose, arrivals, slo_ms=40.0)
    alone = {p.id: simulated(Fixed(LADDER, p.id).choose, arrivals, slo_ms=40.0) for p in LADDER}
    assert alone[4][0] < 0.5
    assert share >= 0.99
    assert accuracy > max(found[1] for found in alone.values() if found[0] >= 0.99) + 4.67  # SuperServe, NSDI 2025
    assert len(used) > 2
