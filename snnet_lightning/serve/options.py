"""What a server is told."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from snnet_lightning.checked import File

LONGEST_MS = 600_000  # within which a request may want its answer


@dataclass(frozen=True)
class Serving:
    """How a network is served.

    Args:
        folder: of a saved network; it cannot be done without, but is the first to be asked for.
        slo_ms: within which requests are to be answered that do not say ``max_latency_ms`` themselves.
        max_batch: images that run at once, at most.
        reserve_ms: of a request's time what its way to and from the server takes.
        host: where it listens; anything but loopback is for others to reach.
        port: where it listens.
        device: of the network.
        threads: of PyTorch in every worker, on a CPU; None: as many as it chooses.
        workers: processes that have the network, each its own copy.
        max_bytes: of a request, at most.
        max_pixels: of an image, at most.
        max_waiting: requests that wait at once, at most; others are told to come back later.
        retry_s: how long a request waits before it is asked whether the worker that had it still lives.
    """

    folder: File | None
    slo_ms: Annotated[float, Field(gt=0, le=LONGEST_MS)]
    max_batch: Annotated[int, Field(gt=0, le=1024)] = 8
    reserve_ms: Annotated[float, Field(ge=0)] = 2.0
    host: Literal["127.0.0.1", "0.0.0.0", "::"] = "127.0.0.1"
    port: Annotated[int, Field(ge=1024, le=65535)] = 8000
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, Field(gt=0, le=1024)] | None = None
    workers: Annotated[int, Field(gt=0, le=64)] = 1
    max_bytes: PositiveInt = 10_000_000
    max_pixels: PositiveInt = 25_000_000
    max_waiting: PositiveInt = 2048
    retry_s: PositiveFloat = 1.0
