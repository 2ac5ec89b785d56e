"""Send requests when their time has come, and note what becomes of them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp
import numpy as np

LONGEST_S = 60.0  # that an answer is waited for


@dataclass(frozen=True)
class Sample:
    """An image as a request has it, and the name of its class, where that is known."""

    body: bytes
    kind: str
    label: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Args:
        due: when it was to be sent, seconds after the start.
        ms: from then until its answer, so that a client that falls behind hides nothing.
        status: of HTTP; 0: no answer.
        stitch: the id of the one that ran, or None.
        right: whether the class was right, where that is known.
    """

    due: float
    ms: float
    status: int
    stitch: int | None
    right: bool | None


async def replay(
    url: str, arrivals: np.ndarray, samples: Sequence[Sample], stitch: int | None, told: Callable[[int], None]
) -> list[Outcome]:
    """Outcomes of one request an arrival, in order, the samples in turn.

    Args:
        stitch: that all ask for; None: the server's policy chooses.
        told: hears how many are answered.
    """
    asked = {} if stitch is None else {"stitch": str(stitch)}
    answered = 0
    timeout, connector = aiohttp.ClientTimeout(total=LONGEST_S), aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        start = time.perf_counter() + 0.1

        async def send(due: float, sample: Sample) -> Outcome:
            nonlocal answered
            headers = {"Content-Type": sample.kind}
            try:
                async with session.post(f"{url}/predict", data=sample.body, headers=headers, params=asked) as response:
                    status, answer = response.status, await response.json()
            except (aiohttp.ClientError, asyncio.TimeoutError):
                status, answer = 0, {}
            ms = 1e3 * (time.perf_counter() - start - due)
            answered += 1
            told(answered)
            if status != 200:
                return Outcome(due, ms, status, None, None)
            right = None if sample.label is None else answer["classes"][0]["name"] == sample.label
            return Outcome(due, ms, status, answer["stitch"]["id"], right)

        sent = []
        for i, due in enumerate(arrivals.tolist()):
            wait = start + due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            sent.append(asyncio.create_task(send(due, samples[i % len(samples)])))
        return list(await asyncio.gather(*sent))
