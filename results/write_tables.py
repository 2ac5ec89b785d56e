"""Write the tables of the docs from what was measured: ``python results/write_tables.py``.

A table stands in a page between ``<!-- table: NAME -->`` and ``<!-- end of table -->``.
"""

import itertools
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from measure import MEASUREMENTS, ROOT, directory_of
from scipy.stats import spearmanr

PAGES = sorted((ROOT / "docs").glob("*.md"))
Measured = dict[str, list[Path]]  # where the runs of every setting lie
PLACE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
METRICS = {"test/acc1": "all stitches", "test/pareto_area": "area", "test/pareto_share": "on front", "test/gap": "gap"}


def filled(page: str) -> str:
    """The page with its tables as they are to be."""
    return PLACE.sub(lambda place: f"{place[1]}{place[2]}{table(place[1])}", page)


def table(name: str) -> str:
    """A measurement as a table of Markdown."""
    kinds = {"training": training, "latency": latency, "replay": replay}
    found = {setting: sorted(directory_of(name, setting).glob("*/")) for setting in MEASUREMENTS[name]["settings"]}
    return kinds[MEASUREMENTS[name]["table"]]({setting: runs for setting, runs in found.items() if runs})


def training(measured: Measured) -> str:
    """Summary metrics of every setting: mean and standard deviation over the seeds; what its training cost."""
    lines = []
    for setting, runs in measured.items():
        summaries = [_read(run / "summary.json") for run in runs]
        anchors = [key for key in summaries[0] if key.startswith("test/acc1/")]
        lines.append([f"`{setting}`", *(_spread([s[key] for s in summaries]) for key in [*anchors, *METRICS])])
    head = ["", "smallest anchor", "middle", "largest", *METRICS.values()]
    used = [[_read(run / "origin.json").get("cpu_seconds") for run in runs] for runs in measured.values()]
    if all(itertools.chain.from_iterable(used)):
        head += ["FLOPs", "CPU, s"]
        flops = [training_flops(runs[0]) for runs in measured.values()]
        for line, cost, seconds in zip(lines, flops, used, strict=True):
            line += [f"{cost / flops[0]:.2f}", f"{mean(seconds):.0f}"]
    return _markdown(head, lines)


def training_flops(run: Path) -> float:
    """FLOPs of the forward passes in which stitches or anchors were trained, for one image of the training set.

    Expected ones, for stitches are drawn. What initialisation and calibration cost is not in it.
    """
    words = shlex.split(_read(run / "origin.json")["command"])
    values = dict(word.split("=", 1) for word in words if "=" in word)
    rows = map(json.loads, (run / "stitches.jsonl").read_text().splitlines())
    flops = {row["name"]: row["flops"] for row in rows}
    anchors = [flops[name] for name in flops if " > " not in name]
    drawn = {"uniform": list(flops.values()), "single": [flops.get(values.get("sampler.stitch", ""), 0)]}
    tuning = int(values.get("tuning.epochs", 0))
    stitching = int(values["trainer.max_epochs"]) - tuning
    return tuning * mean(anchors) + stitching * mean(drawn[values.get("sampler", "uniform")])


def latency(measured: Measured) -> str:
    """Milliseconds, errors of the additive model, and how alike two measurements rank the stitches."""
    lines = []
    for setting, runs in measured.items():
        batches = defaultdict(list)
        for run in runs:
            for timed in _read(run / "latency.json")["batches"]:
                batches[timed["batch"]].append(timed)
        for batch, times in batches.items():
            ms = [[stitch["ms"] for stitch in each["stitches"]] for each in times]
            models = [each["model"] for each in times if each["model"]]
            lines.append(
                [
                    f"`{setting.split()[0]}`, {len(ms[0])} stitches, {batch} image{'s' if batch > 1 else ''}",
                    " to ".join(f"{each:,.0f}" if each >= 100 else f"{each:.3g}" for each in (min(ms[0]), max(ms[0]))),
                    _listed(model["mean_error"] for model in models),
                    _listed(model["worst_error"] for model in models),
                    f"{spearmanr(*ms).statistic:.3f}",
                ]
            )
    return _markdown(["", "ms", "mean error", "worst error", "Spearman"], lines)


def replay(measured: Measured) -> str:
    """The policy beside the largest anchor and the best fixed stitches."""
    lines = []
    for setting, runs in measured.items():
        for run in runs:
            chosen, *fixed = _read(run / "replay.json")["policies"]
            answered = [each for each in fixed if each["accuracy"]]
            as_accurate = [each for each in answered if each["accuracy"] >= chosen["accuracy"]]
            in_time = [each for each in answered if each["attainment"] >= 99]
            anchors = [each for each in answered if " > " not in each["policy"]]
            shown = {
                "largest anchor": max(anchors, key=itemgetter("accuracy"), default=None),
                "best at least as accurate": max(as_accurate, key=itemgetter("attainment"), default=None),
                "best in time for 99 %": max(in_time, key=itemgetter("accuracy"), default=None),
            }
            lines.append([f"`{setting}`", f"`{chosen['policy']}`", *_served(chosen)])
            lines += [["", f"{what}: `{each['policy']}`", *_served(each)] for what, each in shown.items() if each]
    return _markdown(["", "", "in time", "top-1", "right answers", "p50, ms", "p99, ms", "lost"], lines)


def _served(figures: dict[str, Any]) -> list[str]:
    percent = [f"{figures[key]:.2f} %" for key in ("attainment", "accuracy", "top1")]
    return [*percent, *(f"{figures[key]:,.0f}" for key in ("p50_ms", "p99_ms", "lost"))]


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def _spread(values: Sequence[float]) -> str:
    spread = f" ± {stdev(values):.2f}" if len(values) > 1 and max(values) > min(values) else ""
    return f"{mean(values):.2f}{spread}".replace("-", "−")


def _listed(percents: Iterable[float]) -> str:
    return " and ".join(f"{value:.1f} %" for value in percents) or "each was timed"


def _markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, ["---"] * len(head), *lines])


if __name__ == "__main__":
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        path.write_text(filled(page), encoding="utf-8")
