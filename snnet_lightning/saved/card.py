"""The model card of a saved network, as the Hugging Face hub reads it."""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import timm
import yaml

from snnet_lightning.description import IMAGE_MODES, Description
from snnet_lightning.evaluation.results import Row, front_rows
from snnet_lightning.evaluation.table import formatted
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.network_folder import CARD, LIBRARY, PICTURE

TASK = "image-classification"
TAGS = [TASK, "stitchable-neural-networks", "timm", "pytorch"]
UNKNOWN = "unknown"  # a licence, as the hub calls it


def write_card(net: SNNet, rows: Sequence[Row], folder: Path, loaded_by: str | None = None) -> None:
    """Write the card of a network, and its picture where accuracies were measured.

    Args:
        rows: one a stitch.
        loaded_by: its id on the hub; None: it lies in this folder.
    """
    anchors = [stitch.id for stitch in net.space.anchors]
    measured = rows[0].acc1 is not None
    if measured:
        from snnet_lightning.evaluation.plot import plot_pareto  # with matplotlib, which nothing else here needs

        plot_pareto(rows, anchors, folder / PICTURE)
    shown = (front_rows(rows) if measured else []) or [row for row in rows if row.id in anchors]
    few, many = (f"{cost(row.flops for row in rows) / 1e6:,.1f}" for cost in (min, max))
    where = loaded_by or "."
    choose = Template(_part("choose.md")).substitute(
        where=where,
        budget=f"{sorted(row.flops for row in rows)[len(rows) // 2]:_}",
        key="row.acc1" if measured else "row.flops",
    )
    _write(
        net,
        folder,
        shown,
        title=f"SN-Net of {_listed([anchor.alias for anchor in net.description.anchors])}",
        summary=f"One network that holds {len(rows)} sub-networks, the stitches, of {few} to {many} MFLOPs; any of "
        "them is switched to at once.",
        results=_results(rows, shown),
        code=_code(net.description, where, shown[len(shown) // 2].name),
        choose=choose,
    )


def write_card_of_stitch(net: SNNet, row: Row, folder: Path) -> None:
    """Write the card of one stitch alone."""
    _write(
        net,
        folder,
        [row],
        title=f"{row.name}, a stitch of an SN-Net",
        summary=f"One sub-network, a stitch, of an SN-Net of {len(net.space)}, by itself.",
        results=_table([row]),
        code=_code(net.description, "."),
        choose="",
    )


def _write(net: SNNet, folder: Path, shown: Sequence[Row], title: str, **texts: str) -> None:
    body = Template(_part("card.md")).substitute(
        texts,
        title=title,
        size="x".join(map(str, net.description.input_size)),
        measured=_measured(net, shown[0]),
        anchors=_anchors(net),
    )
    body = re.sub(r"\n{3,}", "\n\n", body)
    top = yaml.safe_dump(_head(title, net, shown), sort_keys=False, allow_unicode=True, width=120)
    (folder / CARD).write_text(f"---\n{top}---\n\n{body}", encoding="utf-8")


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _head(title: str, net: SNNet, shown: Sequence[Row]) -> dict[str, Any]:
    """What the hub reads of a card."""
    bases = [base for base in net.origin.base_models if base]
    licences = {_licence(base) for base in net.origin.base_models} or {UNKNOWN}
    head: dict[str, Any] = {
        "library_name": LIBRARY,
        "pipeline_tag": TASK,
        "tags": TAGS,
        "license": licences.pop() if len(licences) == 1 else "other",
    }
    if bases:
        head["base_model"] = list(dict.fromkeys(bases))
    metrics = [
        {"type": "accuracy", "name": f"top-1 of {row.name}", "value": round(row.acc1, 2)}
        for row in shown
        if row.acc1 is not None
    ]
    if metrics and net.origin.measured_on:
        name = net.origin.measured_on
        dataset = {"name": name, "type": re.sub(r"\W+", "-", name.lower()).strip("-")}
        result = {"task": {"type": TASK, "name": "Image classification"}, "dataset": dataset, "metrics": metrics}
        head["model-index"] = [{"name": title, "results": [result]}]
    return head


def _licence(base_model: str | None) -> str:
    known = timm.get_pretrained_cfg(base_model.partition("/")[2], allow_unregistered=True) if base_model else None
    return (known and known.license) or UNKNOWN


def _results(rows: Sequence[Row], shown: Sequence[Row]) -> str:
    if rows[0].acc1 is None:
        text = f"What the anchors cost; `stitches.jsonl` has all {len(rows)} stitches. No accuracy was measured."
        return f"## Costs\n\n{text}\n\n{_table(shown)}"
    text = f"The stitches that no cheaper one equals in accuracy; `stitches.jsonl` has all {len(rows)}."
    return f"## Accuracy and cost\n\n![FLOPs against top-1 accuracy]({PICTURE})\n\n{text}\n\n{_table(shown)}"


def _table(rows: Sequence[Row]) -> str:
    numbers = [formatted(row, measured=rows[0].acc1 is not None) for row in rows]
    head = ["id", "stitch", *numbers[0]]
    right = ["--:", "---"] + ["--:"] * len(numbers[0])
    lines = [[str(row.id), f"`{row.name}`", *cells.values()] for row, cells in zip(rows, numbers, strict=True)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, right, *lines))


def _measured(net: SNNet, row: Row) -> str:
    told = []
    if row.acc1 is not None:
        images = f"{row.images:,} images" if row.images else "images"
        of = f": {net.origin.measured_on}" if net.origin.measured_on else ", of which nothing is noted"
        told.append(f"Accuracies are percent, on {images}{of}.")
    if net.latency is not None:
        told.append(f"Milliseconds (ms) are those of {net.latency.in_words}.")
    return " ".join(told)


def _code(description: Description, where: str, stitch: str | None = None) -> str:
    arguments = f'images, "{stitch}"' if stitch else "images"
    imports, images = ["import snnet_lightning as sn", "import torch"], []
    if description.preprocessing is None:
        images = [f"images = torch.zeros(1, {', '.join(map(str, description.input_size))})  # prepared as in training"]
    else:
        imports += ["from PIL import Image", "from timm.data import create_transform"]
        mode = IMAGE_MODES.get(description.input_size[0], "RGB")
        images = [
            "transform = create_transform(**net.description.data_config)",
            f'images = transform(Image.open("image.png").convert("{mode}"))[None]',
        ]
    best = "logits.argmax().item()"
    return "\n".join(
        [
            *imports,
            "",
            f'net = sn.load("{where}")',
            *images,
            "with torch.inference_mode():",
            f"    logits = net({arguments})",
            f"print({f'net.description.class_names[{best}]' if description.class_names else best})",
        ]
    )


def _anchors(net: SNNet) -> str:
    bases = net.origin.base_models or [None] * len(net.anchors)
    lines = [
        f"| `{anchor.alias}` | `{anchor.name}` | {f'`{base}`' if base else 'not noted'} |"
        for anchor, base in zip(net.description.anchors, bases, strict=True)
    ]
    return "\n".join(["| anchor | timm model | weights that it began with |", "|---|---|---|", *lines])


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
