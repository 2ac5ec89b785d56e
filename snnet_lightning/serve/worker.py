"""A worker: forms batches of the most urgent requests, lets the policy choose the stitch, and runs it."""

import logging
import math
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing.sharedctypes import RawValue
from queue import Empty
from typing import Any, cast

import litserve
import numpy as np
from litserve.loops.base import LitLoop
from litserve.utils import LitAPIStatus, LoopResponseType

from snnet_lightning.serve.line import Line, Waiting, batches_until
from snnet_lightning.serve.options import Serving
from snnet_lightning.serve.policy import Policy
from snnet_lightning.serve.recent import RecentQuantile
from snnet_lightning.serve.requests import Answer, RequestError

log = logging.getLogger(__name__)

# How long a batch takes in most cases, among the last ones, of which none is older.
USUAL, BATCHES, SECONDS = 0.75, 64, 5.0
FAILED = RequestError(500, "the batch of this image failed; what the server prints says why")
NOT_FINITE = RequestError(500, "the network finds no probabilities for this image: they are not finite")
TOO_LATE = RequestError(503, "too many requests are late; come back later")


class Network(litserve.LitAPI):
    """The network in a worker process.

    Args:
        serving: how it is served.
        policy: chooses stitches.
        ms: milliseconds of every stitch by batch size, from one to the largest batch, by its id; empty: unknown.
    """

    def __init__(self, serving: Serving, policy: Policy, ms: dict[int, list[float]]):
        super().__init__(max_batch_size=serving.max_batch)
        self.serving, self.policy, self.ms = serving, policy, ms
        self.fastest_ms = min((each[0] for each in ms.values()), default=0.0)
        self.loop = MostUrgentFirst()
        # Seconds from a worker to the answer, in most cases. One process writes it, and a killed one can lock nothing.
        self.way_out = RawValue("d", 0.0)

    def setup(self, device: str) -> None:
        """Load the network; in the worker alone, which alone has PyTorch."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which ends this one
        import torch

        from snnet_lightning.checkpoints import load
        from snnet_lightning.errors import InputError
        from snnet_lightning.network.prefix_tree import forward_all
        from snnet_lightning.network.snnet import SNNet

        if device == "cpu" and self.serving.threads:
            torch.set_num_threads(self.serving.threads)
        self.torch, self.where = torch, torch.device(device)
        try:
            self.net = cast("SNNet", load(str(self.serving.folder))).to(self.where)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            raise SystemExit(1) from error  # which LitServe does not print a traceback of
        known = self.net.description.data_config
        self.mean, self.std = (torch.tensor(x, device=self.where).view(-1, 1, 1) for x in (known["mean"], known["std"]))
        with torch.inference_mode():  # first runs take longer
            images = torch.zeros(self.serving.max_batch, *self.net.description.input_size, device=self.where)
            for _ in forward_all(self.net, images, self.net.space):
                continue

    def run(self, pixels: np.ndarray, stitch: int) -> np.ndarray:
        """Bytes (N, H, W, C) -> probabilities (N, classes) by the stitch of this id."""
        with self.torch.inference_mode():
            images = self.torch.from_numpy(pixels).to(self.where).permute(0, 3, 1, 2)
            images = images.float().div(255).sub(self.mean).div(self.std)
            return self.net(images, stitch).float().softmax(-1).cpu().numpy()

    def predict(self, x: Any, **kwargs: Any) -> Any:
        raise NotImplementedError  # LitServe wants one; MostUrgentFirst runs batches itself


class MostUrgentFirst(LitLoop):
    """Serves the requests whose deadline is next."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        self.slower = RecentQuantile(USUAL, BATCHES, SECONDS, start=1.0)  # times that were measured: other processes
        self.beside = RecentQuantile(USUAL, BATCHES, SECONDS, start=0.0)  # seconds for queues, whatever the stitch

    def run(self, lit_api: Network, device, worker_id, request_queue, transport, workers_setup_status, callback_runner):
        """One batch."""
        begun, idle = time.monotonic(), not len(self.line)
        self._let_in(request_queue, lit_api.serving)
        started = time.monotonic()
        feasible = started + self._reserved(lit_api) + self._slower() * lit_api.fastest_ms / 1e3
        batch = self.line.take(lit_api.serving.max_batch, feasible)
        # So that late ones do not hold the places of those that can still be in time.
        self._refuse(transport, self.line.give_up(lit_api.serving.max_waiting // 2), TOO_LATE)
        if not batch:
            return
        try:
            answers = self._answers(lit_api, batch, started)
        except Exception:
            log.exception("a batch failed")
            self._refuse(transport, batch, FAILED)
            return
        for one, answer in zip(batch, answers, strict=True):
            if np.isfinite(answer.probabilities).all():
                self.put_response(transport, one.queue_id, one.uid, answer, LitAPIStatus.OK, LoopResponseType.REGULAR)
            else:
                self._refuse(transport, [one], NOT_FINITE)
        stitch, ms = answers[0].stitch, answers[0].ms
        if stitch in lit_api.ms:
            self.slower.add(ms / lit_api.ms[stitch][len(batch) - 1])
        self.beside.add(time.monotonic() - (started if idle else begun) - ms / 1e3)

    def _let_in(self, queue: Any, serving: Serving) -> None:
        """Let in what has come, of several workers this one's share; wait for one if nothing waits yet."""
        try:
            item = queue.get_nowait() if len(self.line) else queue.get(timeout=1.0)
            share = math.inf
            if serving.workers > 1:
                share = max(serving.max_batch, math.ceil((1 + queue.qsize() + len(self.line)) / serving.workers))
            while True:
                queue_id, uid, _, request = item
                self.line.add(queue_id, uid, request)
                if len(self.line) >= share:
                    return
                item = queue.get_nowait()
        except Empty:
            return

    def _refuse(self, transport: Any, requests: Sequence[Waiting], error: RequestError) -> None:
        for one in requests:
            self.put_error_response(transport, one.queue_id, one.uid, error)

    def _slower(self) -> float:
        """How many times as long as it was measured a batch takes at present."""
        return max(self.slower.value, 1.0)

    def _reserved(self, api: Network) -> float:
        """Seconds of a request's time, for what comes after its batch has run."""
        return api.serving.reserve_ms / 1e3 + api.way_out.value

    def _slack_ms(self, slack: float, place: int, api: Network) -> float:
        """Of the seconds that are left to batches until one is done, the measured milliseconds that they may take."""
        beside = batches_until(place, api.serving.max_batch) * self.beside.value
        return 1e3 * (slack - beside) / self._slower()

    def _answers(self, api: Network, batch: list[Waiting], started: float) -> list[Answer]:
        stitch, why = batch[0].request.stitch, "asked for"
        if stitch is None:
            slack, place = self.line.most_urgent(batch, started + self._reserved(api), api.serving.max_batch)
            stitch = api.policy.choose(self._slack_ms(slack, place, api), place, len(batch))
            why = api.policy.reason or _in_words(1e3 * slack, place)
        probabilities = api.run(np.stack([one.request.pixels for one in batch]), stitch)
        ms = 1e3 * (time.monotonic() - started)
        return [Answer(p, stitch, ms, len(batch), len(self.line), why, started) for p in probabilities]


def _in_words(slack_ms: float, place: int) -> str:
    if slack_ms <= 0:
        return "late already"
    return f"{slack_ms:.1f} ms left" + (f" for {place} more that wait" if place else "")
