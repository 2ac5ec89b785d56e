"""Stitches of a network into a folder, one file each, none that computes something else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.results import Row, stitch_rows
from snnet_lightning.export.extra import extra
from snnet_lightning.export.files import ExportedFile, mark
from snnet_lightning.export.folder import written_folder
from snnet_lightning.export.graph import OPSET, onnx_graph
from snnet_lightning.export.half import Half
from snnet_lightning.export.int8 import int8
from snnet_lightning.export.metadata import metadata_of
from snnet_lightning.export.normalised import Normalised, pixels_of
from snnet_lightning.export.parity import Parity, parity
from snnet_lightning.export.program import save_program
from snnet_lightning.export.run import load_exported
from snnet_lightning.export.shared_weights import SharedWeights
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Stitch

TOLERANCE = 1e-4  # of logits, for fp32
LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Exported:
    """A stitch, the name of its file in the folder, and how that compares to the network."""

    stitch: Stitch
    file: str
    parity: Parity


def export_stitches(
    net: SNNet,
    stitches: Sequence[Stitch],
    folder: str | Path,
    *,
    images: Tensor,
    format: Literal["onnx", "pt2"] = "onnx",
    opset: int = OPSET,
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    quantization: Literal["dynamic", "static"] = "dynamic",
    normalise: bool = False,
    tolerance: float | None = None,
    calibration_images: Tensor | None = None,
    overwrite: bool = False,
    told: Callable[[int, int, Exported], object] = lambda done, of, exported: None,
) -> list[Exported]:
    """Write every stitch of ``stitches`` into ``folder``, and compare what each file computes with the network.

    Args:
        folder: new, empty, or an export that ``overwrite`` allows to replace.
        images: to compare on, (N, C, H, W), as the network takes them.
        format: ``onnx`` graphs that share one weight file, or ``pt2`` programs of torch.export.
        opset: of ONNX's operators.
        precision: of the weights and most of the arithmetic; images and logits are float32. Formats other than
            ``onnx`` have fp32 alone.
        quantization: how int8 finds the ranges of activations: in every run from its whole batch, so that logits of an
            image depend on the others; or once, from ``calibration_images``. ``dynamic`` leaves convolutions in fp32.
        normalise: the files take pixels in 0..1 and normalise them as ``net.preprocessing`` says.
        tolerance: the largest difference of two logits; None: 1e-4 for fp32, and any for other precisions.
        calibration_images: (N, C, H, W), as the network takes them.
        told: of every stitch that is written: how many are done, of how many, and what is known of it.

    Raises:
        InputError: options that do not go together, a folder that holds something else, a library that is missing, or
            a file that computes something else than the network. The folder stays as it was.
    """
    _check(net, format, precision, quantization, normalise, calibration_images)
    if tolerance is None and precision == "fp32":
        tolerance = TOLERANCE
    stitches, images = list(dict.fromkeys(stitches)), images.cpu()
    known = net.preprocessing if normalise else None
    if known is not None:
        images = pixels_of(images, known)
        calibration_images = None if calibration_images is None else pixels_of(calibration_images, known)
    input_size = net.description.input_size
    exported: list[Exported] = []
    with written_folder(Path(folder), overwrite) as unfinished:
        weights = SharedWeights(unfinished)
        for stitch in stitches:
            module = net.extract(stitch).cpu().float()
            if known is not None:
                module = Normalised(module, known)
            written = (Half(module) if precision == "fp16" else module).eval()
            file, metadata = f"stitch_{stitch.id:03d}.{format}", metadata_of(net, stitch, normalise)
            if format == "pt2":
                save_program(written, input_size, unfinished / file, metadata)
            else:
                graph = onnx_graph(written, input_size, opset)
                if precision == "int8":
                    graph = int8(graph, calibration_images if quantization == "static" else None)
                graph.metadata_props.update(metadata)
                weights.write(graph, file)
            found = parity(load_exported(unfinished / file, trusted=True), module, images)
            if tolerance is not None and not found.difference <= tolerance:
                raise InputError(
                    f"{stitch.name}: its logits in {file} differ by {found.difference:.2g}, "
                    f"more than tolerance={tolerance:g}"
                )
            exported.append(Exported(stitch, file, found))
            told(len(exported), len(stitches), exported[-1])
        how = {"format": format, "opset": opset if format == "onnx" else None, "precision": precision}
        how |= {"normalise": normalise}
        mark(unfinished, how, net.description.as_data(), _files(net, exported, measured=precision == "fp32"))
    return exported


def _check(
    net: SNNet, format: str, precision: str, quantization: str, normalise: bool, calibration_images: Tensor | None
) -> None:
    if format != "onnx" and precision != "fp32":
        raise InputError(f"precision={precision}: format={format} is written in fp32 alone; format=onnx has all")
    for library in LIBRARIES if format == "onnx" else ():
        extra(library)
    if normalise and net.preprocessing is None:
        raise InputError("normalise=true: it is unknown how the images of this network were normalised")
    if precision == "int8" and quantization == "static" and calibration_images is None:
        raise InputError("quantization=static: needs images to calibrate on")


def _files(net: SNNet, exported: Sequence[Exported], measured: bool) -> list[ExportedFile]:
    """What is known of every file; ``measured``: whether the network's accuracies are those of the files."""
    rows = {row.id: row for row in net.rows or stitch_rows(stitch_costs(net))}
    files = []
    for item in exported:
        row = rows[item.stitch.id]
        own = row if measured else Row(row.id, row.name, row.flops, row.params)
        files.append(ExportedFile(item.file, own, row.acc1))
    return files
