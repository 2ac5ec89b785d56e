"""Traffic against a server of a saved network: its policy beside single stitches."""

import asyncio
import json
import logging
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pydantic import StrictInt

from snnet_lightning.atomic import written_atomically
from snnet_lightning.checked import File
from snnet_lightning.command.job import job
from snnet_lightning.command.progress import progress
from snnet_lightning.command.run import run
from snnet_lightning.command.serve import checked_options, folder_first, require_free_port, words_of_server
from snnet_lightning.errors import InputError

if TYPE_CHECKING:
    from snnet_lightning.serve.replay.client import Sample
    from snnet_lightning.serve.replay.figures import Figures
    from snnet_lightning.serve.table import ServedTable

log = logging.getLogger(__name__)

MOST_IMAGES = 1000
STARTING_S = 180  # that a server may take until it answers
BETWEEN_S = 1.0  # for the server to come to rest


@dataclass(frozen=True)
class Replay:
    """What is sent, and what the policy is compared with: the options that belong to no group.

    Args:
        images: folder of PNG and JPEG files, or None for noise.
        compared: ``front`` (of latency, or of FLOPs where none is known), ``all``, ``none``, or ids of stitches.
    """

    images: File | None
    compared: File | StrictInt | list[StrictInt]

    def stitches(self, table: "ServedTable", max_batch: int) -> list[int]:
        """The ids of those that serve all by themselves, by accuracy.

        Raises:
            InputError: there is no such stitch.
        """
        from snnet_lightning.evaluation.results import front_rows
        from snnet_lightning.serve.policy import worthwhile

        known = [row.id for row in table.rows]
        if self.compared == "front":
            chosen = [row.id for row in front_rows(table.rows) if table.latency is None]
            chosen = chosen or [profile.id for profile in worthwhile(table.profiles, max_batch)]
        elif isinstance(self.compared, str):
            chosen = {"all": known, "none": []}.get(self.compared, [-1])
        else:
            chosen = self.compared if isinstance(self.compared, list) else [self.compared]
        if not set(chosen) <= set(known):
            raise InputError(f"compared={self.compared}: must be front, all, none, or ids from 0 to {max(known)}")
        return chosen


@job("replay", "snnet_lightning.serve.replay")
def task(cfg: DictConfig) -> None:
    from snnet_lightning.command.instantiate import made
    from snnet_lightning.serve.open_files import allow_many_open_files
    from snnet_lightning.serve.replay.client import Outcome, replay
    from snnet_lightning.serve.replay.figures import figures_of
    from snnet_lightning.serve.replay.plot import plot_replay

    options, policy, table = checked_options(cfg)
    chosen = made(cfg, "replay")
    arrivals = made(cfg, "traffic").arrivals()
    if not len(arrivals):
        raise InputError("traffic: no request comes; give more of traffic.rate or traffic.seconds")
    require_free_port(options["host"], options["port"])
    allow_many_open_files()
    samples = _samples(chosen.images, table)
    names, accuracies = ({row.id: getattr(row, key) for row in table.rows} for key in ("name", "acc1"))
    name = HydraConfig.get().runtime.choices["policy"]
    plan = [(name, None), *((names[i], i) for i in chosen.stitches(table, options["max_batch"]))]
    log.info("%s requests in %.0f s, for each of %d policies", f"{len(arrivals):,}", arrivals[-1], len(plan))
    figures, first = [], list[Outcome]()
    directory = Path(HydraConfig.get().runtime.output_dir)
    with _server(options, policy, directory) as url, progress() as tell:
        for number, (label, stitch) in enumerate(plan):
            told = partial(tell, what=label, of=len(plan) * len(arrivals), before=number * len(arrivals))
            outcomes = asyncio.run(replay(url, arrivals, samples, stitch, told))
            first = first or outcomes
            figures.append(figures_of(label, outcomes, options["slo_ms"], accuracies))
            time.sleep(BETWEEN_S)
    with written_atomically(directory / "replay.json") as unfinished:
        told_of = {"slo_ms": options["slo_ms"], "policies": [asdict(each) for each in figures]}
        unfinished.write_text(json.dumps(told_of, indent=1) + "\n")
    plot_replay(figures, first, options["slo_ms"], accuracies, directory / "replay.png")
    _print(figures, options["slo_ms"])
    print(f"results are in {directory}")


def _samples(images: str | None, table: "ServedTable") -> "list[Sample]":
    from snnet_lightning.serve.replay.client import Sample
    from snnet_lightning.serve.upload import FORMATS

    kinds = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
    if images is None:
        return [Sample(body, "image/png") for body in _noise(table.description.input_size)]
    if not Path(images).is_dir():
        raise InputError(f"images={images}: there is no such folder")
    files = sorted(path for path in Path(images).rglob("*") if path.suffix.lower() in kinds)
    if not files:
        raise InputError(f"images={images}: holds no {' or '.join(FORMATS.values())} files")
    some = np.random.default_rng(0).permutation(len(files))[:MOST_IMAGES]
    classes = set(table.classes)
    return [
        Sample(path.read_bytes(), kinds[path.suffix.lower()], path.parent.name if path.parent.name in classes else None)
        for path in (files[i] for i in some)
    ]


def _noise(input_size: Sequence[int]) -> Iterator[bytes]:
    import io

    from PIL import Image

    channels, height, width = input_size
    generator = np.random.default_rng(0)
    for _ in range(16):
        pixels = generator.integers(0, 256, (height, width, channels), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(file, "PNG")
        yield file.getvalue()


@contextmanager
def _server(options: dict[str, Any], policy: dict[str, Any], directory: Path) -> Iterator[str]:
    url, printed = f"http://127.0.0.1:{options['port']}", directory / "server.log"
    with printed.open("w") as file:
        process = subprocess.Popen(words_of_server(options, policy), stdout=file, stderr=file, start_new_session=True)
    try:
        end = time.monotonic() + STARTING_S
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > end:
                raise InputError(f"the server did not start: {printed} says why")
            time.sleep(0.2)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=5) as response:
            return response.status == 200
    except OSError:  # also where HTTP says an error
        return False


def _print(figures: "Sequence[Figures]", slo_ms: float) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=f"objective {slo_ms:g} ms", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column("policy", overflow="fold")
    for column in ("in time", "top-1", "right", "p50", "p99", "per s", "lost"):
        shown.add_column(column, justify="right", no_wrap=True)
    for i, each in enumerate(figures):
        numbers = ((each.accuracy, ".2f"), (each.top1, ".2f"), (each.p50_ms, ".1f"), (each.p99_ms, ".1f"))
        cells = ["–" if value is None else format(value, digits) for value, digits in numbers]
        style = "bold" if i == 0 else None
        shown.add_row(
            each.policy, f"{each.attainment:.2f}", *cells, f"{each.throughput:.1f}", str(each.lost), style=style
        )
    Console(markup=False).print(shown)


def main() -> None:
    folder_first()
    run(task, recalled_by=[])
