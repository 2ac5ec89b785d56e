"""Measure what the docs tell: ``python results/measure.py NAME`` runs what is missing of that in measurements.yaml.

What a run found is kept in ``results/NAME/SETTING/SEED``, or ``.../REPEAT`` where nothing is drawn; how it was found,
in ``origin.json`` there.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from snnet_lightning.evaluation.html_report.origin import versions

RESULTS = Path(__file__).parent
ROOT = RESULTS.parent
KEPT = ["stitches.jsonl", "summary.json"]
MEASUREMENTS: dict[str, dict[str, Any]] = yaml.safe_load((RESULTS / "measurements.yaml").read_text())


@dataclass(frozen=True)
class Run:
    """One command, and where what it finds is kept."""

    words: list[str]
    seed: int | None
    kept: list[str]
    directory: Path


def directory_of(name: str, setting: str) -> Path:
    """Where all that is kept of a setting lies, by seeds."""
    return RESULTS / name / setting.replace(" ", "+").replace("/", "_")


def runs_of(name: str) -> Iterator[Run]:
    """All runs of a measurement."""
    measurement = MEASUREMENTS[name]
    seeds = measurement.get("seeds", [None])
    for setting, seed, repeat in product(measurement["settings"], seeds, range(measurement.get("repeats", 1))):
        words = shlex.split(f"{measurement['command']} {setting}" + (f" seed={seed}" if seed is not None else ""))
        directory = directory_of(name, setting) / str(repeat + 1 if seed is None else seed)
        yield Run(words, seed, measurement.get("keeps", KEPT), directory)


def measure(run: Run) -> None:
    """Run it, unless what it finds is there already, and keep that as a whole or not at all."""
    if run.directory.exists():
        return
    work = ROOT / "runs" / run.directory.relative_to(ROOT)
    cpu_seconds = _python([*run.words, f"hydra.run.dir='{work.relative_to(ROOT)}'"], work)
    unfinished = run.directory.with_name(f"{run.directory.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name in run.kept:
        shutil.copy(work / name, unfinished)
    origin = {
        "command": shlex.join(["python", *run.words]),
        "seed": run.seed,
        "commit": _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"),
        "cpu_seconds": round(cpu_seconds, 1),
        "date": date.today().isoformat(),
        "versions": versions(),
    }
    (unfinished / "origin.json").write_text(json.dumps(origin, indent=2) + "\n")
    unfinished.rename(run.directory)
    print(run.directory.relative_to(ROOT), flush=True)


def _python(words: list[str], log: Path) -> float:
    """Run it; returns the seconds of CPU that it took."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.with_suffix(".txt").open("w") as file:
        process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"error: {shlex.join(words)} failed; {log.with_suffix('.txt')} says why")
    return used.ru_utime + used.ru_stime


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=MEASUREMENTS, metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    options = parser.parse_args()
    for name in options.names:
        if all(run.directory.exists() for run in runs_of(name)):
            continue
        for path, command in MEASUREMENTS[name].get("needs", {}).items():
            if not (ROOT / path).exists():
                _python(shlex.split(command), ROOT / "runs" / "needs" / path.replace("/", "_"))
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(measure, runs_of(name)))
