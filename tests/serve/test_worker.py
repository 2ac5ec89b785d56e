"""How batches are formed, with queues and a network that only write down what comes to them."""

import pickle
import queue
import time

import numpy as np
import pytest
from litserve.utils import LitAPIStatus

from snnet_lightning.serve.options import Serving
from snnet_lightning.serve.policy import Fixed, Profile, Slack
from snnet_lightning.serve.requests import Request
from snnet_lightning.serve.worker import MostUrgentFirst, Network

PROFILES = [Profile(i, f"s{i}", 70.0 + 5 * i, {1: 2.0**i}) for i in range(5)]


class Recording(Network):
    """The network of a worker, but it only notes what it is to run."""

    def __init__(self, policy, max_batch=4, **options):
        ms = {p.id: [p.at(batch) for batch in range(1, max_batch + 1)] for p in PROFILES}
        super().__init__(Serving("nowhere", slo_ms=50, max_batch=max_batch, reserve_ms=0, **options), policy, ms)
        self.ran = []

    def run(self, pixels, stitch):
        self.ran.append((stitch, pixels[:, 0, 0, 0].tolist()))
        if 99 in self.ran[-1][1]:
            raise RuntimeError("no such image")
        probabilities = np.eye(10)[pixels[:, 0, 0, 0] % 10]
        probabilities[pixels[:, 0, 0, 0] == 98] = np.nan
        return probabilities


class Sent:
    """A transport that keeps what is sent."""

    def __init__(self):
        self.answers = {}

    def send(self, item, consumer_id):
        uid, (answer, status, *_) = item
        assert uid not in self.answers
        self.answers[uid] = (answer, status)


def asked(value, ms, stitch=None):
    """An image of one value, to be answered within so many milliseconds."""
    deadline = time.monotonic() + ms / 1e3
    return (0, f"uid{value}", 0.0, Request(deadline, np.full((2, 2, 1), value, np.uint8), stitch))


def served(api, *requests):
    """Run until all have an answer."""
    loop, waiting, sent = MostUrgentFirst(), queue.Queue(), Sent()
    for request in requests:
        waiting.put(request)
    while len(sent.answers) < len(requests):
        loop.run(api, "cpu", 0, waiting, sent, {}, None)
    return sent.answers


def test_the_most_urgent_come_first_and_as_many_as_a_batch_takes():
    api = Recording(Fixed(PROFILES, 1))
    answers = served(api, *(asked(value, ms) for value, ms in enumerate([9000, 3000, 8000, 1000, 5000, 7000])))
    assert [images for _, images in api.ran] == [[3, 1, 4, 5], [2, 0]]
    assert all(answers[f"uid{value}"][0].probabilities[value] == 1 for value in range(6))
    first = answers["uid3"][0]
    assert (first.stitch, first.batch, first.waiting) == (1, 4, 2)


def test_what_is_late_waits_for_what_can_be_in_time():
    api = Recording(Slack(PROFILES, 4))
    served(api, asked(0, -100), asked(1, 2000), asked(2, -50), asked(3, 1000))
    assert [images for _, images in api.ran] == [[3, 1], [0, 2]]
    assert api.ran[0][0] == 4  # there is all the time for the best
    assert api.ran[1][0] == 0  # late already: the fastest


def test_a_stitch_that_was_asked_for_runs_alone_with_those_that_asked_for_it():
    api = Recording(Fixed(PROFILES, 1))
    answers = served(api, asked(0, 1000, stitch=4), asked(1, 2000), asked(2, 3000, stitch=4), asked(3, 4000, stitch=0))
    assert api.ran == [(4, [0, 2]), (1, [1]), (0, [3])]
    assert answers["uid2"][0].why == "asked for"


def test_the_time_that_is_left_decides():
    for ms, stitch in [(10_000, 4), (0.5, 0)]:
        api = Recording(Slack(PROFILES, 4))
        served(api, asked(0, ms))
        assert api.ran[0][0] == stitch


def test_where_batches_take_longer_than_measured_a_faster_stitch_is_taken():
    class Slow(Recording):
        def run(self, pixels, stitch):
            time.sleep(10 * 2.0**stitch / 1e3)  # ten times as long
            return super().run(pixels, stitch)

    api, loop, sent = Slow(Slack(PROFILES, 1), max_batch=1), MostUrgentFirst(), Sent()
    waiting = queue.Queue()
    for value in range(6):
        waiting.put(asked(value, 100))
        loop.run(api, "cpu", 0, waiting, sent, {}, None)
    assert api.ran[0][0] == 4
    assert max(stitch for stitch, _ in api.ran[1:]) < 4  # 16 ms as measured, 160 at present


def test_way_out_is_kept_free():
    api = Recording(Slack(PROFILES, 4))
    api.way_out.value = 0.2
    served(api, asked(0, 205))
    assert api.ran[0][0] <= 2  # no more than 5 ms are left


def test_a_batch_that_fails_is_told_to_all_in_it_and_the_next_one_runs():
    api = Recording(Fixed(PROFILES, 1), max_batch=2)
    answers = served(api, asked(99, 1000), asked(1, 2000), asked(2, 3000))
    assert [answers[f"uid{value}"][1] for value in (99, 1, 2)] == [LitAPIStatus.ERROR] * 2 + [LitAPIStatus.OK]
    assert pickle.loads(answers["uid1"][0]).status == 500


def test_what_is_no_number_is_told_to_its_own_request_alone():
    answers = served(Recording(Fixed(PROFILES, 1)), asked(98, 1000), asked(1, 2000))
    assert [answers[f"uid{value}"][1] for value in (98, 1)] == [LitAPIStatus.ERROR, LitAPIStatus.OK]
    assert "not finite" in pickle.loads(answers["uid98"][0]).why


def test_late_requests_hold_no_more_than_half_of_the_places():
    api = Recording(Fixed(PROFILES, 1), max_batch=1, max_waiting=8)
    answers = served(api, *(asked(value, ms) for value, ms in enumerate([*range(-100, -40, 10), 5000, 6000])))
    refused = {uid for uid, (_, status) in answers.items() if status == LitAPIStatus.ERROR}
    assert refused == {"uid0", "uid1"}  # of six the two that were late the longest
    assert {pickle.loads(answers[uid][0]).status for uid in refused} == {503}
    assert [images for _, images in api.ran] == [[6], [7], [2], [3], [4], [5]]


def test_of_two_workers_each_takes_its_share():
    api, waiting, sent = Recording(Fixed(PROFILES, 1), max_batch=2, workers=2), queue.Queue(), Sent()
    for value in range(20):
        waiting.put(asked(value, 1000 + value))
    one, other = MostUrgentFirst(), MostUrgentFirst()
    one.run(api, "cpu", 0, waiting, sent, {}, None)
    other.run(api, "cpu", 1, waiting, sent, {}, None)
    assert (len(one.line), len(other.line), waiting.qsize()) == (10 - 2, 5 - 2, 5)
    while len(sent.answers) < 20:
        one.run(api, "cpu", 0, waiting, sent, {}, None)
        other.run(api, "cpu", 1, waiting, sent, {}, None)
    assert sorted(value for _, images in api.ran for value in images) == list(range(20))


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_and_nothing_answered_twice(seed):
    draw = np.random.default_rng(seed)
    api = Recording(Slack(PROFILES, 4))
    requests = [
        asked(value, draw.uniform(-20, 200), stitch=int(draw.integers(5)) if draw.random() < 0.3 else None)
        for value in range(90)
    ]
    answers = served(api, *requests)
    assert sorted(value for _, images in api.ran for value in images) == list(range(90))
    assert all(answer.probabilities[int(uid[3:]) % 10] == 1 for uid, (answer, _) in answers.items())
    assert max(len(images) for _, images in api.ran) <= 4
