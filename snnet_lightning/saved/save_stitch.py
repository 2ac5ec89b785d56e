"""Write one stitch alone into a folder."""

from pathlib import Path
from typing import Any, cast

from timm.models import save_for_hf

from snnet_lightning.description import ORIGIN
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.results import stitch_rows, write_rows
from snnet_lightning.network.extract import ExtractedStitch
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.network_folder import ALONE, STITCHES, write_config
from snnet_lightning.saved.card import write_card_of_stitch
from snnet_lightning.saved.save import write_weights, written_folder
from snnet_lightning.stitch.route import Stitch


def save_stitch(net: SNNet, stitch: Stitch, folder: Path) -> None:
    """Write ``stitch`` alone, an anchor as timm does it; arguments and errors as of ``save_network``."""
    if stitch.is_anchor:
        _save_anchor(net, stitch, folder)
        return
    extracted = cast("ExtractedStitch", net.extract(stitch))
    rows = [row for row in net.rows or stitch_rows(stitch_costs(net)) if row.id == stitch.id]
    config = {ALONE: stitch.name, ORIGIN: net.origin.model_dump(mode="json"), **extracted.description.as_data()}
    with written_folder(folder) as unfinished:
        write_weights(extracted, unfinished)
        write_rows(rows, unfinished / STITCHES)
        write_config(config, unfinished)
        write_card_of_stitch(net, rows[0], unfinished)


def _save_anchor(net: SNNet, stitch: Stitch, folder: Path) -> None:
    anchor = net.anchors[stitch.anchors[0]].described
    model, description = net.extract(stitch), net.description
    known = {} if description.preprocessing is None else dict(description.preprocessing)
    said: dict[str, Any] = {
        "model_args": anchor.kwargs,
        "pretrained_cfg": {"input_size": description.input_size, "num_classes": description.num_classes, **known},
    }
    if description.class_names:
        said["label_names"] = list(description.class_names)
    with written_folder(folder) as unfinished:
        save_for_hf(model, str(unfinished), model_config=said, safe_serialization=True)
