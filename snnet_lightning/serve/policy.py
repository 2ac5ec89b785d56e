"""Which stitch runs next, as a function of the time that is left; nothing of HTTP is in here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any, Protocol

from pydantic import Field, StrictInt, StrictStr

from snnet_lightning.checked import checked
from snnet_lightning.errors import InputError

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
    module, _, name = options.pop("_target_").rpartition(".")
    return checked(getattr(import_module(module), name))(profiles=profiles, **options)


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
        self.id = next((profile.id for profile in profiles if stitch in (profile.id, profile.name)), None)
        if self.id is None:
            raise InputError(f"policy.stitch={stitch}: there is no such stitch; ids run from 0 to {len(profiles) - 1}")

    def choose(self, slack_ms: float, queue: int, batch: int) -> int:
        return self.id


class Slack:
    """The most accurate stitch that serves the batch, and all that waits, within the slack of the most urgent request.

    Where none does, the fastest. A more accurate stitch than the last one is taken only if time is left over, so that
    it does not change with every request: that is all that is remembered from one choice to the next.

    Args:
        profiles: of all stitches.
        max_batch: the largest batch.
        headroom: share of the slack that is kept for what cannot be foreseen.
        hysteresis: share of the rest that has to be left over for a more accurate stitch than the last one.

    Raises:
        InputError: no latency is known.
    """

    reason = None

    def __init__(self, profiles: Sequence[Profile], max_batch: int, headroom: Spared = 0.2, hysteresis: Spared = 0.1):
        if not profiles or not all(profile.ms for profile in profiles):
            raise InputError("policy=slack: no latency is known; python -m snnet_lightning.latency measures it")
        self.max_batch, self.headroom, self.hysteresis = max_batch, headroom, hysteresis
        self.ladder = worthwhile(profiles, max_batch)
        self.ids = [profile.id for profile in self.ladder]
        self.ms = [[profile.at(batch) for profile in self.ladder] for batch in range(1, max_batch + 1)]
        self.fastest = [min(range(len(ms)), key=ms.__getitem__) for ms in self.ms]
        self.last = len(self.ladder)  # its place on the ladder; at first below all

    def choose(self, slack_ms: float, queue: int, batch: int) -> int:
        ms, fastest = self.ms[batch - 1], self.fastest[batch - 1]
        batches = 1 + -(-queue // self.max_batch)  # to be done within the slack
        most = slack_ms * (1 - self.headroom) / batches
        place = _first_within(ms, most, fastest)
        if place < self.last:
            place = _first_within(ms, most * (1 - self.hysteresis), fastest)
            if self.last < len(ms) and ms[self.last] <= most:
                place = min(place, self.last)
        self.last = place
        return self.ids[place]


def _first_within(ms: Sequence[float], budget: float, otherwise: int) -> int:
    return next((place for place, needed in enumerate(ms) if needed <= budget), otherwise)


def worthwhile(profiles: Sequence[Profile], max_batch: int) -> list[Profile]:
    """Those that no other equals in accuracy and beats in time, or the reverse, from the most accurate down."""
    found: list[Profile] = []
    for profile in sorted(profiles, key=lambda profile: (-profile.acc1, profile.at(max_batch), profile.id)):
        if not found or profile.at(max_batch) < found[-1].at(max_batch):
            found.append(profile)
    return found
