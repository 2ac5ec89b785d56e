"""The server: LitServe's processes and queues, and what becomes of a request."""

import asyncio
import os
import pickle
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawValue
from typing import Any

import litserve
import numpy as np
from fastapi import FastAPI, Request
from litserve.utils import LitAPIStatus, ResponseBufferItem
from starlette.requests import ClientDisconnect

from snnet_lightning.errors import InputError
from snnet_lightning.serve import requests
from snnet_lightning.serve.activity import Activity
from snnet_lightning.serve.options import LONGEST_MS, Serving
from snnet_lightning.serve.policy import Policy
from snnet_lightning.serve.recent import RecentQuantile
from snnet_lightning.serve.requests import RequestError
from snnet_lightning.serve.routes import add_routes
from snnet_lightning.serve.table import ServedTable
from snnet_lightning.serve.upload import Resizing, body_of, pixels_in
from snnet_lightning.serve.worker import Network

TOP = 5  # classes that an answer names
KNOWN = {"max_latency_ms", "stitch"}  # what a request may say beside its image
DECODING = 2  # threads that decode images; answers come in by others, and must not wait for these
TRIES = 3  # workers that a request is given to, for it may be what they die of
USUAL, ANSWERS, SECONDS = 0.95, 128, 5.0  # how long most answers take to get out, among the last ones


class StitchServer(litserve.LitServer):
    """A LitServe server with routes of its own.

    Args:
        serving: how it serves.
        policy: chooses the stitch of a batch.
        table: what is known of the stitches.

    Raises:
        InputError: the network takes images that cannot be made of what comes.
    """

    def __init__(self, serving: Serving, policy: Policy, table: ServedTable):
        self.serving, self.table = serving, table
        self.resizing = Resizing.of(table.description)
        profiles = [profile for profile in table.profiles if profile.ms]
        ms = {p.id: [p.at(batch) for batch in range(1, serving.max_batch + 1)] for p in profiles}
        self.network = Network(serving, policy, ms)
        super().__init__(
            self.network,
            accelerator=serving.device,
            devices=1,
            workers_per_device=serving.workers,
            restart_workers=True,
            timeout=False,
            disable_openapi_url=True,
        )
        self.way_out = RecentQuantile(USUAL, ANSWERS, SECONDS, start=0.0)
        self.restarts = RawValue("i", 0)  # which the first process counts
        self.ends = False
        self.speechless = False  # whether the process that speaks HTTP has died
        self.present = 0  # requests that are being read, decoded, waiting or running
        self.decoding = ThreadPoolExecutor(DECODING)
        self.monitor_internal = 0.5  # seconds until a dead worker is noticed
        self.activity = Activity({profile.id: profile.acc1 for profile in table.profiles})
        self.ids = {key: row.id for row in table.rows for key in (str(row.id), row.name)}
        self.stitches = {row.id: row for row in table.rows}
        self.app.router.routes.clear()  # LitServe's own: one that says "running", and one that takes JSON
        add_routes(self.app, self)

    def verify_worker_status(self) -> None:
        """Wait for the first worker, and say so.

        Raises:
            InputError: all have died.
        """
        try:
            while "ready" not in self.workers_setup_status.values():
                if not any(worker.is_alive() for worker in self.inference_workers):
                    raise InputError(f"no worker came up with {self.serving.folder}")
                time.sleep(0.05)
        except BaseException:
            for worker in self.inference_workers:
                worker.terminate()
            raise
        host = f"[{self.serving.host}]" if ":" in self.serving.host else self.serving.host
        where = f"http://{host}:{self.serving.port}"
        print(f"serving {len(self.stitches)} stitches at {where}; Ctrl-C ends it", flush=True)

    def launch_single_inference_worker(self, lit_api: Network, worker_id: int) -> BaseProcess:
        """Another worker in place of one that died, unless all are to end."""
        if self.ends:
            return self.inference_workers[worker_id]
        self.restarts.value += 1
        return super().launch_single_inference_worker(lit_api, worker_id)

    def _start_server(self, *args: Any, **kwargs: Any) -> dict[int, BaseProcess]:
        speaking = super()._start_server(*args, **kwargs)
        threading.Thread(target=self._end_with, args=speaking.values(), daemon=True).start()
        return speaking

    def _end_with(self, speaking: BaseProcess) -> None:
        """A server that nobody can speak to any more ends."""
        speaking.join()
        time.sleep(1)  # on Ctrl-C it may end first
        if not self.ends:
            self.speechless = True
            os.kill(os.getpid(), signal.SIGTERM)

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """In the process that speaks HTTP."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which ends this one
        async with super().lifespan(app):
            yield

    async def predict(self, request: Request) -> dict:
        """Serve a request.

        Raises:
            RequestError: it is not served.
        """
        if self.present >= self.serving.max_waiting:  # before its body is read, which takes memory
            raise RequestError(503, f"{self.serving.max_waiting} requests wait already; come back later")
        self.present += 1
        try:
            return await self._served(request)
        finally:
            self.present -= 1

    async def _served(self, request: Request) -> dict:
        arrived = time.monotonic()
        within, stitch = self._asked(request)
        body = await body_of(request, self.serving.max_bytes)
        kind = request.headers.get("content-type", "")
        decode = partial(pixels_in, body, kind, self.resizing, self.serving.max_pixels)
        pixels = await asyncio.get_running_loop().run_in_executor(self.decoding, decode)
        del body, decode
        deadline = arrived + within / 1e3
        self.network.way_out.value = self.way_out.value
        answer = await self._answer(requests.Request(deadline, pixels, stitch), request.is_disconnected)
        done = time.monotonic()
        self.way_out.add(done - answer.started - answer.ms / 1e3)
        self.activity.answered(answer.stitch, answer.batch, done - arrived, done <= deadline)
        return self._told(answer, arrived, done, within)

    def _asked(self, request: Request) -> tuple[float, int | None]:
        """Milliseconds within which it is to be answered, and the id of the stitch, if one is asked for."""
        asked = request.query_params
        unknown = [key for key in asked if key not in KNOWN]
        if unknown:
            raise RequestError(422, f"{unknown[0][:40]!r}: is no option; there are {' and '.join(sorted(KNOWN))}")
        word = asked.get("max_latency_ms", self.serving.slo_ms)
        try:
            within = float(word)
        except ValueError:
            within = 0.0
        if not 0 < within <= LONGEST_MS:
            raise RequestError(422, f"max_latency_ms={str(word)[:40]!r}: must be above 0, up to {LONGEST_MS}")
        name = asked.get("stitch")
        if name is not None and name not in self.ids:
            raise RequestError(422, f"stitch={name[:80]!r}: there is no such stitch; /stitches lists them")
        return within, None if name is None else self.ids[name]

    async def _answer(
        self, request: requests.Request, is_disconnected: Callable[[], Awaitable[bool]]
    ) -> requests.Answer:
        """What a worker makes of it; where one has died meanwhile, the next one.

        Raises:
            RequestError: they fail on it, or die.
            ClientDisconnect: nobody waits for it any more.
        """
        uid = str(uuid.uuid4())
        item = self.response_buffer[uid] = ResponseBufferItem(asyncio.Event())
        try:
            restarts, tries = None, 0
            while not item.event.is_set():
                if restarts != self.restarts.value:
                    if tries == TRIES:
                        raise RequestError(500, f"{TRIES} workers died before this image was answered")
                    restarts, tries = self.restarts.value, tries + 1
                    queue = self.litapi_request_queues[self.network.api_path]
                    queue.put((self.app.response_queue_id, uid, time.monotonic(), request))
                try:
                    await asyncio.wait_for(item.event.wait(), self.serving.retry_s)
                except asyncio.TimeoutError:
                    if await is_disconnected():
                        raise ClientDisconnect from None
        finally:
            del self.response_buffer[uid]
        answer, status = item.response
        if status != LitAPIStatus.OK:
            raise pickle.loads(answer)
        return answer

    def _told(self, answer: requests.Answer, arrived: float, done: float, within: float) -> dict:
        names = self.table.classes
        row = self.stitches[answer.stitch]
        best = np.argsort(-answer.probabilities, kind="stable")[:TOP]
        return {
            "classes": [{"name": names[i], "probability": round(float(answer.probabilities[i]), 6)} for i in best],
            "stitch": {"id": row.id, "name": row.name, "acc1": row.acc1, "flops": row.flops, "params": row.params},
            "why": answer.why,
            "ms": round(answer.ms, 3),
            "batch": answer.batch,
            "waiting": answer.waiting,
            "waited_ms": round(1e3 * (answer.started - arrived), 3),
            "total_ms": round(1e3 * (done - arrived), 3),
            "max_latency_ms": within,
        }

    def health(self) -> tuple[dict, int]:
        """How the workers are, and the HTTP status that says the same."""
        states = [*self.workers_setup_status.values()]
        ready, restarts = states.count("ready"), self.restarts.value
        told = {
            "status": "ok" if ready == len(states) else "restarting" if restarts else "starting",
            "workers": len(states),
            "ready": ready,
            "restarts": restarts,
        }
        return told, 200 if ready else 503
