"""Fill the page's template with results."""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import starmap
from pathlib import Path

from snnet_lightning.atomic import written_atomically
from snnet_lightning.evaluation.html_report.origin import command_of, versions
from snnet_lightning.evaluation.results import Row, front_rows
from snnet_lightning.evaluation.table import MISSING, formatted
from snnet_lightning.html import filled

NAME = "report.html"
SCRIPTS = ("model.js", "plot.js", "table.js", "budget.js", "start.js")  # in the order in which they run
MEASURES = {"flops": "FLOPs", "params": "parameters", "latency_ms": "latency", "memory": "memory"}  # of a budget
AXES = {"flops": "FLOPs", "latency_ms": "ms"}  # of the plot
LABELS = {
    "test/acc1": ("mean top-1 of all stitches", "%"),
    "test/pareto_area": ("mean top-1 along the Pareto front, over log FLOPs", "%"),
    "test/pareto_share": ("stitches on the Pareto front", "%"),
    "test/gap": ("mean distance of the stitches from the line between the anchors", "points"),
}


def write_html_report(
    rows: Sequence[Row],
    anchors: Sequence[int],
    directory: Path,
    summary: Mapping[str, float] | None = None,
    timed_on: str | None = None,
) -> Path:
    """Write ``report.html``: the plot, the best stitch under a budget, the table, and what made them.

    Args:
        rows: the stitches; without accuracies, the page shows what they cost.
        anchors: ids of those that are single anchors.
        directory: where the page goes; the command and configuration are shown if they lie here.
        summary: the summary metrics, by the names under which they are logged.
        timed_on: what the milliseconds of the rows are of, in words.
    """
    measured = [row for row in rows if row.acc1 is not None and math.isfinite(row.acc1)]
    measures = {key: name for key, name in MEASURES.items() if all(getattr(row, key) is not None for row in rows)}
    axes = {key: name for key, name in AXES.items() if key in measures}
    fronts = {axis: {row.id for row in front_rows(measured, axis)} for axis in axes}
    switch = f'<fieldset aria-label="axis">{_radios("axis", axes)}</fieldset>\n' if len(axes) > 1 else ""
    single = [row.name for row in rows if row.id in anchors]
    texts = {row.id: _texts(row, bool(measured)) for row in rows}
    data = {
        "measured": bool(measured),
        "rows": [
            {
                **{key: getattr(row, key) for key in ("id", "name", *measures)},
                **{key: _finite(getattr(row, key)) for key in ("acc1", "acc5", "loss")},
                "text": texts[row.id],
                "anchor": row.id in anchors,
                "front": {axis: row.id in front for axis, front in fronts.items()},
            }
            for row in rows
        ],
    }
    images = max((row.images or 0 for row in rows), default=0)
    evaluated = f"Evaluated on {images:,} images." if measured else "What each costs; no accuracy was measured."
    page = filled(
        __package__,
        SCRIPTS,
        data,
        title=escape(f"{len(rows)} stitches of {', '.join(single)}"),
        subtitle=evaluated + (f" Milliseconds are those of {escape(timed_on)}." if timed_on else ""),
        summary=f"<dl class=summary>{''.join(starmap(_metric, (summary or {}).items()))}</dl>" if measured else "",
        against="top-1 accuracy" if measured else "parameters",
        kind=("accuracies" if measured else "costs") + (" timed" if switch else ""),
        axes=switch,
        measures=_radios("measure", measures),
        question="Best stitch under a budget" if measured else "Largest stitch under a budget",
        head="".join(_header(name, place) for place, name in enumerate(["id", "stitch", *texts[rows[0].id]])),
        body="\n".join(_line(row, texts[row.id], row.id in anchors, fronts) for row in rows),
        origin=_origin(directory),
    )
    path = directory / NAME
    with written_atomically(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return path


def _texts(row: Row, measured: bool) -> dict[str, str]:
    return {name: MISSING if text == "nan" else text for name, text in formatted(row, measured).items()}


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _metric(name: str, value: float) -> str:
    anchor = name.removeprefix("test/acc1/")
    label, unit = LABELS.get(name, (f"top-1 of {anchor}", "%") if anchor != name else (name, ""))
    number = MISSING if not math.isfinite(value) else f"{value:+.2f}" if unit == "points" else f"{value:.2f}"
    return f"<div><dt>{escape(label)}</dt><dd>{number.replace('-', '−')} <small>{unit}</small></dd></div>"


def _header(name: str, place: int) -> str:
    order = ' aria-sort="ascending"' if place == 0 else ""
    return f'<th scope="col"{order}><button type="button" data-column="{place}">{name}</button></th>'


def _radios(name: str, choices: Mapping[str, str]) -> str:
    return "\n".join(
        f'<label><input type="radio" autocomplete="off" name="{name}" value="{key}"'
        f"{' checked' if key == 'flops' else ''}> {label}</label>"
        for key, label in choices.items()
    )


def _line(row: Row, numbers: Mapping[str, str], anchor: bool, fronts: Mapping[str, Collection[int]]) -> str:
    badges = (" <span class=badge>anchor</span>" if anchor else "") + "".join(
        f' <span class=badge data-front="{axis}">front</span>' for axis, front in fronts.items() if row.id in front
    )
    cells = "".join(f"<td>{number}</td>" for number in numbers.values())
    return (
        f'<tr data-id="{row.id}"{" class=anchor" if anchor else ""}><td>{row.id}</td>'
        f"<td><span class=stitch>{escape(row.name)}</span>{badges}</td>{cells}</tr>"
    )


def _origin(directory: Path) -> str:
    parts = []
    command, config = command_of(directory), directory / "config.yaml"
    if command:
        parts.append(f'<pre id="command" tabindex="0" aria-label="command">{escape(command)}</pre>')
    if config.is_file():
        parts.append(
            "<details><summary>The whole configuration, every value resolved</summary>"
            f'<pre id="config" tabindex="0" aria-label="configuration">{escape(config.read_text())}</pre></details>'
        )
    written = datetime.now().astimezone().isoformat(" ", "minutes")
    return "\n".join([*parts, f"<p>Written {written} with {escape(versions())}.</p>"])
