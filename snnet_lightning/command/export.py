"""Write stitches of a checkpoint as files for other runtimes."""

import sys
from dataclasses import dataclass
from typing import Literal

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pydantic import NonNegativeFloat, PositiveInt, StrictInt, StrictStr

from snnet_lightning.checked import File
from snnet_lightning.command.budget import Budget
from snnet_lightning.command.job import job
from snnet_lightning.command.run import run
from snnet_lightning.errors import InputError

OF_NETWORK = ("anchors", "net", "stitch.")  # beginnings of words that would choose another


@dataclass(frozen=True)
class Export:
    """What is exported, and how: the options that belong to no group.

    Args:
        ckpt_path: a checkpoint of ours, or a saved network.
        exported: belongs to an evaluation.
        accuracy: whether there are images to compare on, and accuracies are measured after a conversion.
        stitches: ``front``, ``all``, ids or names.
        budget: what a stitch may cost, of which the most accurate that fits is exported.
        normalise: whether the files take pixels in 0..1 and normalise them.
        tolerance: the largest difference of two logits to the network's.
        images: test images to compare on.
        calibration_images: training images for static quantisation.
        folder: where the files go.
        overwrite: whether an export there is replaced.

    Raises:
        InputError: options that do not go together.
    """

    ckpt_path: File | None
    exported: File | None
    accuracy: bool
    stitches: StrictInt | StrictStr | list[StrictInt | StrictStr]
    budget: Budget
    format: Literal["onnx", "pt2"]
    opset: PositiveInt
    precision: Literal["fp32", "fp16", "int8"]
    quantization: Literal["dynamic", "static"]
    normalise: bool
    tolerance: NonNegativeFloat | None
    images: PositiveInt
    calibration_images: PositiveInt
    folder: File
    overwrite: bool

    def __post_init__(self):
        if self.exported is not None:
            raise InputError(f"exported={self.exported} is evaluated (evaluate.py); ckpt_path= is exported")
        if self.ckpt_path is None:
            raise InputError("ckpt_path is missing: give ckpt_path=FILE, or the snnet folder of a run")
        if self.budget and self.stitches != "front":
            raise InputError(f"stitch={self.stitches} and {self.budget}: give one of them")
        if self.quantization == "static" and not self.accuracy:
            raise InputError("quantization=static finds ranges on training images, so accuracy=false cannot be")


@job("export", "snnet_lightning.export")
def task(cfg: DictConfig) -> float | None:
    from snnet_lightning.command.exporting import export

    of_network = [word for word in HydraConfig.get().overrides.task if word.lstrip("+~").startswith(OF_NETWORK)]
    if of_network:
        raise InputError(f"{of_network[0]}: the network that is exported is that of ckpt_path")
    return export(cfg)


def main() -> None:
    # Before Hydra reads it: on its command lines stitch= chooses the space of stitches, from which some are named here.
    sys.argv[1:] = [f"stitches={word[7:]}" if word.startswith("stitch=") else word for word in sys.argv[1:]]
    run(task, recalled_by=["ckpt_path"])
