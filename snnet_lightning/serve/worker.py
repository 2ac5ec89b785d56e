"""A worker: forms batches of the most urgent requests, lets the policy choose the stitch, and runs it."""

import logging
import signal
import time
from multiprocessing import get_context
from queue import Empty
from typing import Any

import litserve
import numpy as np
from litserve.loops.base import LitLoop
from litserve.utils import LitAPIStatus, LoopResponseType

from snnet_lightning.serve.line import Line, Waiting
from snnet_lightning.serve.options import Serving
from snnet_lightning.serve.policy import Policy
from snnet_lightning.serve.recent import RecentQuantile
from snnet_lightning.serve.requests import Answer

log = logging.getLogger(__name__)

USUAL, BATCHES = 0.75, 64  # how much longer than measured a batch takes in most cases, among the last ones


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


class MostUrgentFirst(LitLoop):
    """Serves the requests whose deadline is next."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        self.slower = RecentQuantile(USUAL, BATCHES, start=1.0)

    def run(self, lit_api: Network, device, worker_id, request_queue, transport, workers_setup_status, callback_runner):
        """One batch."""
        self._let_in(request_queue)
        started = time.monotonic()
        feasible = started + self._reserved(lit_api) + self._slower() * lit_api.fastest_ms / 1e3
        batch = self.line.take(lit_api.serving.max_batch, feasible)
        if not batch:
            return
        try:
            answers = self._answers(lit_api, batch, started)
        except Exception as error:
            log.exception("a batch failed")
            failure = RuntimeError(str(error))  # any other may not be pickled
            for one in batch:
                self.put_error_response(transport, one.queue_id, one.uid, failure)
            return
        for one, answer in zip(batch, answers, strict=True):
            self.put_response(transport, one.queue_id, one.uid, answer, LitAPIStatus.OK, LoopResponseType.REGULAR)
        stitch = answers[0].stitch
        if stitch in lit_api.ms:
            self.slower.add(1e3 * (time.monotonic() - started) / lit_api.ms[stitch][len(batch) - 1])

    def _let_in(self, queue: Any) -> None:
        """Let all in that have come; wait for one if nothing waits yet."""
        try:
            item = queue.get_nowait() if len(self.line) else queue.get(timeout=1.0)
            while True:
                queue_id, uid, _, request = item
                self.line.add(queue_id, uid, request)
                item = queue.get_nowait()
        except Empty:
            return

    def _slower(self) -> float:
        """How many times as long as it was measured a batch takes at present."""
        return max(self.slower.value, 1.0)

    def _reserved(self, api: Network) -> float:
        """Seconds of a request's time, for what comes after its batch."""
        return api.serving.reserve_ms / 1e3 + api.way_out.value

    def _answers(self, api: Network, batch: list[Waiting], started: float) -> list[Answer]:
        stitch, why = batch[0].request.stitch, "asked for"
        if stitch is None:
            slack, place = self.line.most_urgent(batch, started + self._reserved(api), api.serving.max_batch)
            stitch = api.policy.choose(1e3 * slack / self._slower(), place, len(batch))
            why = api.policy.reason or _in_words(1e3 * slack, place)
        probabilities = api.run(np.stack([one.request.pixels for one in batch]), stitch)
        ms = 1e3 * (time.monotonic() - started)
        return [Answer(p, stitch, ms, len(batch), len(self.line), why, started) for p in probabilities]


def _in_words(slack_ms: float, place: int) -> str:
    if slack_ms <= 0:
        return "late already"
    return f"{slack_ms:.1f} ms left" + (f" for {place} more that wait" if place else "")
