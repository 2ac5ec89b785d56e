"""Requests that wait in a worker, in the order of their deadlines."""

from bisect import insort
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from snnet_lightning.serve.requests import Request

LOOKS = 32  # places of a long line that are looked at to find the most urgent


def batches_until(place: int, most: int) -> int:
    """Batches of up to ``most`` that run until a request is done: the next one at place 0, and those behind it."""
    return 1 + -(-place // most)


class Waiting(NamedTuple):
    """A request with its place: the most urgent comes first, of equals the one that came first."""

    deadline: float
    number: int
    queue_id: int
    uid: str
    request: Request


class Line:
    """The requests that wait; those that are late already do so apart, behind the others."""

    def __init__(self) -> None:
        self.in_time: list[Waiting] = []
        self.late: deque[Waiting] = deque()
        self.uids: set[str] = set()
        self.number = 0

    def __len__(self) -> int:
        return len(self.in_time) + len(self.late)

    def add(self, queue_id: int, uid: str, request: Request) -> None:
        """A request comes; one that waits here already, and was sent again, does not wait twice."""
        if uid in self.uids:
            return
        self.uids.add(uid)
        self.number += 1
        insort(self.in_time, Waiting(request.deadline, self.number, queue_id, uid, request))

    def take(self, most: int, feasible: float) -> list[Waiting]:
        """Take up to ``most`` requests for one stitch out, the most urgent and those that are like it.

        Args:
            feasible: deadlines before this moment cannot be met any more; such requests are taken when no others wait.
        """
        late = next((place for place, one in enumerate(self.in_time) if one.deadline >= feasible), len(self.in_time))
        self.late.extend(self.in_time[:late])
        del self.in_time[:late]
        line = self.in_time or self.late
        asked = line[0].request.stitch if line else None
        batch = [one for one in islice(line, 2 * most) if one.request.stitch == asked][:most]
        for one in batch:
            line.remove(one)
        self.uids.difference_update(one.uid for one in batch)
        return batch

    def give_up(self, kept: int) -> list[Waiting]:
        """Take those out that have been late the longest, so that at most ``kept`` late ones wait."""
        given_up = [self.late.popleft() for _ in range(len(self.late) - kept)]
        self.uids.difference_update(one.uid for one in given_up)
        return given_up

    def most_urgent(self, batch: Sequence[Waiting], now: float, most: int) -> tuple[float, int]:
        """Which request leaves the least time to a batch: seconds until its deadline, and its place in the line.

        One in the batch has place 0. A long line is looked at here and there.

        Args:
            batch: that is taken out, and runs next.
            most: requests that later batches take.
        """
        slack = min(one.deadline for one in batch) - now
        place, least = 0, slack
        length = len(self.in_time)
        looks = [*range(0, length, max(1, length // LOOKS)), length - 1] if length else []
        for i in looks:
            its_slack = self.in_time[i].deadline - now
            a_batch = its_slack / batches_until(i + 1, most)
            if a_batch < least:
                slack, place, least = its_slack, i + 1, a_batch
        return slack, place
