"""Time a network's stitches: their parts in place, interleaved round after round, or each stitch as a whole."""

import copy
import logging
import platform
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt

from snnet_lightning.errors import InputError
from snnet_lightning.latency.additive import covering, fitted_model, spread, sums
from snnet_lightning.latency.stopwatch import Stopwatch
from snnet_lightning.latency.table import MOST_BATCH, AdditiveModel, BatchLatency, Latency, StitchLatency
from snnet_lightning.network.compile_parts import compile_in_place
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Part, Stitch

# On import it looks for a GPU to build extensions for, and warns where there is none.
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
from torch.utils.benchmark import Timer  # noqa: E402

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
STABLE, MOST_WARM = 0.03, 10  # the largest spread of the last three rounds of warming up, and how many there may be
Quartiles = tuple[float, float, float]
Told = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Measurement:
    """How latency is measured.

    Args:
        batch: images at a time; several sizes are measured one after the other.
        precision: of weights and images.
        channels_last: whether both are laid out with the channels last.
        compile: whether every part is compiled by ``torch.compile``.
        device: ``auto`` is a GPU where there is one.
        cuda_graphs: replay a graph of every stitch, instead of launching its kernels one by one; no parts are timed.
        rounds: how often everything is timed; medians are over these.
        every_stitch: time every stitch as a whole, and no parts.
        fitted: stitches that the constant of the additive model is fitted on.
        held_out: other stitches, that its error is measured on.
        most_error: percent; where the mean error is above it, every stitch is timed after all.
    """

    batch: Annotated[list[Annotated[int, Field(gt=0, le=MOST_BATCH)]], Field(min_length=1)]
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cuda_graphs: bool = False
    rounds: Annotated[int, Field(ge=4)] = 12
    every_stitch: bool = False
    fitted: PositiveInt = 5
    held_out: Annotated[int, Field(ge=2)] = 10
    most_error: Annotated[float, Field(ge=0)] = 10.0

    def __post_init__(self):
        if len(set(self.batch)) < len(self.batch):
            raise InputError(f"batch={self.batch}: names a size twice")
        if self.where.type == "cuda" and not torch.cuda.is_available():
            raise InputError("device=cuda: there is no GPU that PyTorch can use")
        if self.cuda_graphs and self.where.type != "cuda":
            raise InputError("cuda_graphs=true needs a GPU: device=cuda")

    @property
    def where(self) -> torch.device:
        """The device."""
        found = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(found if self.device == "auto" else self.device)


def measure_latency(net: SNNet, how: Measurement, told: Told = lambda done, of, what: None) -> Latency:
    """Latencies of all stitches of ``net`` in eval mode, on noise. It stays as it is, where it is.

    T(stitch) = constant + sum of its parts, which are timed where they run in a route, since what lies in the caches
    decides how long they take. The constant is fitted on a few stitches, the error is that on others.

    Args:
        told: hears how many of how many timings are done, and of what.
    """
    timed = _Timed(net, how)
    with torch.inference_mode():
        batches = tuple(timed.at(batch, told) for batch in how.batch)
    on_cpu = how.where.type == "cpu"
    return Latency(
        device=device_name(how.where.type),
        threads=torch.get_num_threads() if on_cpu else None,
        input_size=net.description.input_size,
        precision=how.precision,
        channels_last=how.channels_last,
        compiled=how.compile,
        cuda_graphs=how.cuda_graphs,
        versions={"python": platform.python_version(), **{name: version(name) for name in ("torch", "timm")}},
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        batches=batches,
    )


class _Timed:
    """A copy of a network where and how it is timed."""

    def __init__(self, net: SNNet, how: Measurement):
        self.how = how
        self.device = how.where
        self.layout = torch.channels_last if how.channels_last else torch.contiguous_format
        self.dtype = DTYPES[how.precision]
        self.net = copy.deepcopy(net).eval()
        self.net.to(self.device, self.dtype, memory_format=self.layout)  # type: ignore[call-overload]  # torch has it
        if how.compile:
            compile_in_place(self.net.anchors, self.net.stitching_layers.values())
        self.stitches = list(net.space)

    def at(self, batch: int, told: Told) -> BatchLatency:
        x = torch.randn(batch, *self.net.description.input_size)
        self.x = x.to(self.device, self.dtype, memory_format=self.layout)
        self.whole = {stitch: self._repeated(stitch) for stitch in self.stitches}
        few = len(self.stitches) <= self.how.fitted + self.how.held_out
        if not (few or self.how.every_stitch or self.how.cuda_graphs):
            by_cost = sorted(self.stitches, key=self._once)
            fitted, held_out = spread(by_cost, self.how.fitted, self.how.held_out)
            parts, ends = self._rounds(covering(self.stitches), [*fitted, *held_out], told)
            added = sums({part: median(times) for part, times in parts.items()}, self.stitches)
            model = fitted_model(added, {s.id: median(times) for s, times in ends.items()}, fitted, held_out)
            found = {s: _around(model.constant_ms + added[s.id], _by_round(s, parts)) for s in self.stitches}
            if model.mean_error <= self.how.most_error and all(low > 0 for low, _, _ in found.values()):
                return _as_table(batch, found, model)
        _, ends = self._rounds([], self.stitches, told)
        return _as_table(batch, {stitch: _quartiles(times) for stitch, times in ends.items()}, None)

    def _once(self, stitch: Stitch) -> float:
        self.whole[stitch]()
        return self.whole[stitch]()

    def _rounds(
        self, in_parts: Sequence[Stitch], whole: Sequence[Stitch], told: Told
    ) -> tuple[dict[Part, list[float]], dict[Stitch, list[float]]]:
        """Milliseconds, round by round, of the parts of some stitches, and of other stitches as a whole."""
        of_parts: dict[Part, list[float]] = {part: [] for stitch in in_parts for part in stitch.route}
        of_whole: dict[Stitch, list[float]] = {stitch: [] for stitch in whole}
        jobs = [(stitch, True) for stitch in in_parts] + [(stitch, False) for stitch in whole]
        self._warm_up(jobs)
        order = random.Random(0)
        for done in range(self.how.rounds):
            order.shuffle(jobs)  # so that what drifts, or runs beside, meets all alike
            this_round: dict[Part, list[float]] = {part: [] for part in of_parts}
            for i, (stitch, parts) in enumerate(jobs):
                if parts:
                    for part, milliseconds in self._parts(stitch):
                        this_round[part].append(milliseconds)
                else:
                    of_whole[stitch].append(self.whole[stitch]())
                told(done * len(jobs) + i + 1, self.how.rounds * len(jobs), f"batch {len(self.x)}")
            for part, times in this_round.items():
                of_parts[part].append(median(times))
        return of_parts, of_whole

    def _warm_up(self, jobs: Sequence[tuple[Stitch, bool]]) -> None:
        """Run all once, then some until they take the same time again and again."""
        for stitch, _ in jobs:
            self.net(self.x, stitch)
        few = [stitch for stitch, _ in jobs][:: max(1, len(jobs) // 5)]
        totals: list[float] = []
        while len(totals) < MOST_WARM and not (len(totals) > 2 and max(totals[-3:]) <= (1 + STABLE) * min(totals[-3:])):
            totals.append(sum(self.whole[stitch]() for stitch in few))

    def _parts(self, stitch: Stitch) -> Iterator[tuple[Part, float]]:
        self.net(self.x, stitch)  # as before a whole one is timed
        watch, x = Stopwatch(self.device), self.x
        watch.mark()
        for part, statistics in zip(stitch.route, self.net.route_statistics.of(stitch), strict=False):
            x = self.net.run(part, x, statistics)
            watch.mark()
        return zip(stitch.route, watch.milliseconds(), strict=True)

    def _repeated(self, stitch: Stitch) -> Callable[[], float]:
        """What runs a stitch, and then once more for its milliseconds."""
        if self.device.type == "cpu":
            names = {"net": self.net, "x": self.x, "stitch": stitch}
            timer = Timer("net(x, stitch)", globals=names, num_threads=torch.get_num_threads())
            return lambda: 1e3 * timer.timeit(1).mean
        run = self._graph(stitch).replay if self.how.cuda_graphs else lambda: self.net(self.x, stitch)

        def timed() -> float:
            run()
            watch = Stopwatch(self.device)
            watch.mark()
            run()
            watch.mark()
            return watch.milliseconds()[0]

        return timed

    def _graph(self, stitch: Stitch) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        for _ in range(3):  # what libraries choose and allocate on their first runs must not be captured
            self.net(self.x, stitch)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            self.net(self.x, stitch)
        return graph


def _quartiles(times: Sequence[float]) -> Quartiles:
    low, _, high = quantiles(times, n=4, method="inclusive")
    return low, median(times), high


def _by_round(stitch: Stitch, parts: dict[Part, list[float]]) -> list[float]:
    """The parts of a stitch added up in every round: what goes up in one part while it goes down in another cancels."""
    return [sum(times) for times in zip(*(parts[part] for part in stitch.route), strict=True)]


def _around(middle: float, times: Sequence[float]) -> Quartiles:
    """Quartiles as far from ``middle`` as those of ``times`` are from their median."""
    low, of_times, high = _quartiles(times)
    return middle - (of_times - low), middle, middle + (high - of_times)


def _as_table(batch: int, found: dict[Stitch, Quartiles], model: AdditiveModel | None) -> BatchLatency:
    stitches = tuple(
        StitchLatency(id=stitch.id, name=stitch.name, low=low, ms=middle, high=high)
        for stitch, (low, middle, high) in found.items()
    )
    return BatchLatency(batch=batch, model=model, stitches=stitches)


def device_name(device: str) -> str:
    """What ``cpu`` or ``cuda`` is on this machine."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
