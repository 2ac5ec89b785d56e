"""Which stitch runs next, as a function of the time that is left; nothing of HTTP is in here."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import neg
from pkgutil import resolve_name
from typing import Annotated, Any, Protocol

from pydantic import Field, StrictInt, StrictStr

from snnet_lightning.checked import checked
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.pareto import pareto_front
from snnet_lightning.serve.line import batches_until

Spared = Annotated[float, Field(ge=0, lt=1)]  # a share, but not all


@dataclass(frozen=True)
class Profile:
    """What is known of a stitch where it is served.

    Args:
        acc1: top-1 in percent.
        ms: milliseconds by batch size, as measured.
    """

    id: int
    name: str
    acc1: float
    ms: Mapping[int, float]

    def at(self, batch: int) -> float:
        """Milliseconds of a batch: as measured, or on the line between two sizes, or beyond the last two.

        Of a single size, as many times as long as it has times as many images.
        """
        if batch in self.ms:
            return self.ms[batch]
        sizes = sorted(self.ms)
        if len(sizes) == 1:
            return self.ms[sizes[0]] * batch / sizes[0]
        before, after = next((pair for pair in pairwise(sizes) if batch <= pair[1]), (sizes[-2], sizes[-1]))
        slope = (self.ms[after] - self.ms[before]) / (after - before)
        return max(self.ms[before] + slope * (batch - before), self.ms[sizes[0]])


class Policy(Protocol):
    """Chooses the stitch of a batch.

    ``reason``: why it does, in words; None: by the time that is left.
    """

    reason: str | None

    def choose(self, slack_ms: float, queue: int, batch: int) -> int:
        """The id of the stitch that the next batch runs.

        Args:
            slack_ms: until the most urgent request has to be answered; below 0 it is late already.
            queue: requests that have to be done before its answer beside the batch, itself among them; 0: it is in it.
            batch: images in it.
        """


def create_policy(options: Mapping[str, Any], profiles: Sequence[Profile]) -> Policy:
    """The policy that ``_target_`` among the options names, of the stitches in ``profiles``.

    Raises:
        InputError: it cannot be had of these.
    """
    options = dict(options)
    return checked(resolve_name(options.pop("_target_")))(profiles=profiles, **options)


class Fixed:
    """Always the same stitch.

    Args:
        profiles: of all stitches.
        stitch: its id or name.

    Raises:
        InputError: there is none of these.
    """

    reason = "the only one served"

    def __init__(self, profiles: Sequence[Profile], stitch: StrictInt | StrictStr):
        found = next((profile.id for profile in profiles if stitch in (profile.id, profile.name)), None)
        if found is None:
            raise InputError(f"policy.stitch={stitch}: there is no such stitch; ids run from 0 to {len(profiles) - 1}")
        self.id = found

    def choose(self, slack_ms: float, queue: int, batch: int) -> int:
        return self.id


class Slack:
    """The most accurate stitch that serves the batch, and all that waits, within the slack of the most urgent request.

    Where none does, the fastest. Part of the slack is kept for what cannot be foreseen, and the more of it, the less a
    stitch gains for its time: what it takes now may be missing to requests that come, and cost them more. Between the
    two shares the logarithm of the gain decides (the threshold of Zhou, Chakrabarty and Lukose for the online knapsack
    problem, 2008). A more accurate stitch than the last one is taken only if time is left over, so that it does not
    change with every request: that is all that is remembered from one choice to the next.

    Args:
        profiles: of all stitches.
        max_batch: the largest batch.
        headroom: share of the slack that the stitch keeps which gains the most for its time.
        most_headroom: share that the one keeps which gains the least.
        hysteresis: share of the rest that has to be left over for a more accurate stitch than the last one.

    Raises:
        InputError: no latency is known, or ``most_headroom`` is below ``headroom``.
    """

    reason = None

    def __init__(
        self,
        profiles: Sequence[Profile],
        max_batch: int,
        headroom: Spared = 0.2,
        most_headroom: Spared = 0.7,
        hysteresis: Spared = 0.1,
    ):
        if not profiles or not all(profile.ms for profile in profiles):
            raise InputError("policy=slack: no latency is known; python -m snnet_lightning.latency measures it")
        if most_headroom < headroom:
            raise InputError(f"policy.most_headroom={most_headroom}: must be at least policy.headroom={headroom}")
        self.max_batch, self.hysteresis = max_batch, hysteresis
        self.ladders = [_Ladder(profiles, batch, headroom, most_headroom) for batch in range(1, max_batch + 1)]
        self.last_acc1 = -math.inf

    def choose(self, slack_ms: float, queue: int, batch: int) -> int:
        ladder = self.ladders[batch - 1]
        left = slack_ms / batches_until(queue, self.max_batch)
        place = ladder.within(left)
        if ladder.acc1[place] > self.last_acc1:
            place = min(ladder.within(left * (1 - self.hysteresis)), ladder.at_most(self.last_acc1))
        self.last_acc1 = ladder.acc1[place]
        return ladder.ids[place]


class _Ladder:
    """The stitches that are worth while at one batch size, from the most accurate, and slowest, down."""

    def __init__(self, profiles: Sequence[Profile], batch: int, headroom: float, most_headroom: float):
        steps = worthwhile(profiles, batch)
        self.ids = [step.id for step in steps]
        self.acc1 = [step.acc1 for step in steps]
        ms = [step.at(batch) for step in steps]
        kept = headrooms(gains(self.acc1, ms), headroom, most_headroom)
        self.needed_ms = [each / (1 - share) for each, share in zip(ms, kept, strict=True)]

    def within(self, ms: float) -> int:
        """The place of the first that so many milliseconds are enough for; where they are for none, of the last."""
        return min(bisect_left(self.needed_ms, -ms, key=neg), len(self.needed_ms) - 1)

    def at_most(self, acc1: float) -> int:
        """The place of the first that is no more accurate; where all are, of the last."""
        return min(bisect_left(self.acc1, -acc1, key=neg), len(self.acc1) - 1)


def gains(acc1: Sequence[float], ms: Sequence[float]) -> list[float]:
    """Points of top-1 that a millisecond gains: of every stitch but the fastest over the best mix of faster ones.

    Never less than that of a slower one, so that what a mix of others beats is not kept back for longer than these.

    Args:
        acc1, ms: of the stitches that are worth while, from the slowest down.
    """
    found: list[float] = []
    for place in range(len(ms) - 1):
        faster = range(place + 1, len(ms))
        own = min((acc1[place] - acc1[other]) / (ms[place] - ms[other]) for other in faster)
        found.append(max([own, *found[-1:]]))
    return found


def headrooms(gained: Sequence[float], least: float, most: float) -> list[float]:
    """Shares of the slack: ``most`` where a millisecond gains the least, ``least`` where it gains the most.

    The fastest, which comes last, gains nothing and keeps ``least``.
    """
    if not gained or gained[0] == gained[-1]:
        return [least] * (len(gained) + 1)
    span = math.log(gained[-1] / gained[0])
    return [*(most - (most - least) * math.log(each / gained[0]) / span for each in gained), least]


def worthwhile(profiles: Sequence[Profile], batch: int) -> list[Profile]:
    """Those that, at this batch size, no other equals in accuracy and beats in time, or the reverse.

    From the most accurate down.
    """
    front = pareto_front([(profile.at(batch), profile.acc1) for profile in profiles])
    return [profiles[i] for i in reversed(front)]
