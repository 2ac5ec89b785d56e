"""A worker: forms batches of the most urgent requests, lets the policy choose the stitch, and runs it."""

import heapq
import logging
import signal
import time
from collections import deque
from multiprocessing import get_context
from queue import Empty
from typing import Any, NamedTuple

import litserve
import numpy as np
from litserve.loops.base import LitLoop
from litserve.utils import LitAPIStatus, LoopResponseType

from snnet_lightning.serve.options import Serving
from snnet_lightning.serve.policy import Policy
from snnet_lightning.serve.recent import RecentQuantile
from snnet_lightning.serve.requests import Answer, Request

log = logging.getLogger(__name__)

USUAL, BATCHES = 0.9, 64  # how much longer than measured a batch takes in most cases, among the last ones


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
        self.loop = MostUrgentFirst()
        self.way_out = get_context("spawn").Value("d", 0.0)  # seconds from a worker to the answer, in most cases
        self.starts = get_context("spawn").Value("i", 0)  # workers that came up so far, the restarted among them

    def setup(self, device: str) -> None:
        """Load the network; in the worker alone, which alone has PyTorch."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which ends this one
        import torch

        from snnet_lightning.checkpoints import load
        from snnet_lightning.network.prefix_tree import forward_all

        if device == "cpu" and self.serving.threads:
            torch.set_num_threads(self.serving.threads)
        self.torch, self.where = torch, torch.device(device)
        self.net = load(self.serving.folder).to(self.where)
        known = self.net.preprocessing
        self.mean, self.std = (torch.tensor(x, device=self.where).view(-1, 1, 1) for x in (known.mean, known.std))
        with torch.inference_mode():  # first runs take longer
            images = torch.zeros(self.serving.max_batch, *self.net.description.input_size, device=self.where)
            for _ in forward_all(self.net, images, self.net.space):
                continue
        with self.starts.get_lock():
            self.starts.value += 1

    def run(self, pixels: np.ndarray, stitch: int) -> np.ndarray:
        """Bytes (N, H, W, C) -> probabilities (N, classes) by the stitch of this id."""
        with self.torch.inference_mode():
            images = self.torch.from_numpy(pixels).to(self.where).permute(0, 3, 1, 2)
            images = images.float().div(255).sub(self.mean).div(self.std)
            return self.net(images, stitch).float().softmax(-1).cpu().numpy()

    def predict(self, x: Any, **kwargs: Any) -> Any:
        raise NotImplementedError  # LitServe wants one; MostUrgentFirst runs batches itself


class Waiting(NamedTuple):
    """A request with its place: the most urgent comes first, of equals the one that came first."""

    deadline: float
    number: int
    queue_id: int
    uid: str
    request: Request


class MostUrgentFirst(LitLoop):
    """Serves the requests whose deadline is next; what is late already waits for those that are not."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Waiting] = []
        self.late: deque[Waiting] = deque()
        self.number = 0
        self.slower = RecentQuantile(USUAL, BATCHES, start=1.0)

    def run(self, lit_api: Network, device, worker_id, request_queue, transport, workers_setup_status, callback_runner):
        """One batch."""
        self._take(request_queue, wait=not (self.waiting or self.late))
        fastest = min((ms[0] for ms in lit_api.ms.values()), default=0.0)
        needed = self._slower() * fastest + self._reserved_ms(lit_api)
        batch = self._batch(lit_api.serving.max_batch, time.monotonic() + needed / 1e3)
        if batch:
            beside = len(self.waiting) + len(self.late) + request_queue.qsize()
            try:
                answers = self._answers(lit_api, batch, beside)
            except Exception as error:
                log.exception("a batch failed")
                for one in batch:
                    self.put_error_response(transport, one.queue_id, one.uid, error)
                return
            for one, answer in zip(batch, answers, strict=True):
                self.put_response(transport, one.queue_id, one.uid, answer, LitAPIStatus.OK, LoopResponseType.REGULAR)

    def _take(self, queue: Any, wait: bool) -> None:
        """Take what has come, but not much more than can be served next."""
        try:
            item = queue.get(timeout=1.0) if wait else queue.get_nowait()
            while True:
                queue_id, uid, _, request = item
                self.number += 1
                heapq.heappush(self.waiting, Waiting(request.deadline, self.number, queue_id, uid, request))
                item = queue.get_nowait()
        except Empty:
            return

    def _batch(self, most: int, feasible: float) -> list[Waiting]:
        """The most urgent of the requests that can still be in time, else the late ones; all for one stitch."""
        while self.waiting and self.waiting[0].deadline < feasible:
            self.late.append(heapq.heappop(self.waiting))
        batch: list[Waiting] = []
        others: list[Waiting] = []
        while self.waiting and len(batch) < most and len(others) < most:
            one = heapq.heappop(self.waiting)
            (batch if not batch or one.request.stitch == batch[0].request.stitch else others).append(one)
        for one in others:
            heapq.heappush(self.waiting, one)
        if batch:
            return batch
        while self.late and len(batch) < most and (not batch or self.late[0].request.stitch == batch[0].request.stitch):
            batch.append(self.late.popleft())
        return batch

    def _slower(self) -> float:
        """How many times as long as it was measured a batch takes at present."""
        return max(self.slower.value, 1.0)

    def _reserved_ms(self, api: Network) -> float:
        """Of a request's time, for what comes after its batch."""
        return api.serving.reserve_ms + 1e3 * api.way_out.value

    def _answers(self, api: Network, batch: list[Waiting], beside: int) -> list[Answer]:
        started = time.monotonic()
        slack = 1e3 * (min(one.deadline for one in batch) - started) - self._reserved_ms(api)
        asked = batch[0].request.stitch
        stitch = api.policy.choose(slack / self._slower(), beside, len(batch)) if asked is None else asked
        why = "asked for" if asked is not None else f"{slack:.1f} ms left, {beside} waiting"
        probabilities = api.run(np.stack([one.request.pixels for one in batch]), stitch)
        ms = 1e3 * (time.monotonic() - started)
        if stitch in api.ms:
            self.slower.add(ms / api.ms[stitch][len(batch) - 1])
        return [Answer(p, stitch, ms, len(batch), beside, why, started) for p in probabilities]
