"""What the command ``export`` does once its configuration is composed."""

import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import torch
from omegaconf import DictConfig
from torch import Tensor

from snnet_lightning.checkpoints import load
from snnet_lightning.command.export import Export
from snnet_lightning.command.instantiate import made
from snnet_lightning.command.parts import create_datamodule, evaluate_exported, metric, require_classes
from snnet_lightning.data.some_images import test_images, training_images
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import front_rows
from snnet_lightning.export import Exported, export_stitches, note_accuracies, require_free
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Stitch

log = logging.getLogger(__name__)


def export(cfg: DictConfig) -> float | None:
    """Export the chosen stitches; what is converted is evaluated afterwards.

    Returns:
        the metric that a sweep is told of, where accuracies were measured.
    """
    made(cfg, "process")
    options = made(cfg, "export")
    folder = Path(options.folder)
    require_free(folder, options.overwrite)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what is unfinished goes
    datamodule = create_datamodule(cfg) if options.accuracy and cfg.data else None
    net = load(options.ckpt_path)  # as the file says, whatever the data are
    if not isinstance(net, SNNet):
        raise InputError(f"ckpt_path={options.ckpt_path}: holds one stitch alone; give the whole network")
    if datamodule is not None:
        require_classes(datamodule, net.description, f"ckpt_path={options.ckpt_path}")
    if options.budget:
        stitches = [net.space[options.budget.selected(net.rows, net.latency).id]]
    else:
        stitches = chosen(net, options.stitches, options.ckpt_path)
    opset = f", opset {options.opset}" if options.format == "onnx" else ""
    what = f"{options.format}, {options.precision}{opset}"
    log.info("exporting %d of %d stitches as %s", len(stitches), len(net.space), what)
    exported = export_stitches(
        net,
        stitches,
        folder,
        images=_compared(datamodule, net, options.images),
        format=options.format,
        opset=options.opset,
        precision=options.precision,
        quantization=options.quantization,
        normalise=options.normalise,
        tolerance=options.tolerance,
        calibration_images=_calibrating(datamodule, options),
        overwrite=options.overwrite,
        told=_tell,
    )
    _tell_size(net, exported, folder)
    if options.precision == "fp32" or datamodule is None:
        return None
    rows, found = evaluate_exported(cfg, str(folder), datamodule)
    note_accuracies(folder, rows)
    return metric(found, cfg.optimized_metric)


def chosen(net: SNNet, words: int | str | Sequence[int | str], ckpt_path: str) -> list[Stitch]:
    """The stitches that were asked for, in id order.

    Raises:
        InputError: there is none of that id or name; or no accuracies are known to tell the front by.
    """
    if words == "all":
        return list(net.space)
    if words == "front":
        if not net.rows or any(row.acc1 is None for row in net.rows):
            raise InputError(
                f"stitch=front: no accuracies are known of ckpt_path={ckpt_path}; evaluate.py measures them and leaves "
                "a folder snnet in its run's directory, to be given as ckpt_path; or choose by stitch=all or ids"
            )
        return sorted((net.space[row.id] for row in front_rows(net.rows)), key=lambda stitch: stitch.id)
    words = [words] if isinstance(words, int | str) else words
    names = {stitch.name: stitch for stitch in net.space} | {stitch.id: stitch for stitch in net.space}
    unknown = [word for word in words if word not in names]
    if unknown or not words:
        raise InputError(
            f"stitch={unknown[0] if unknown else '[]'}: must be front, all, ids from 0 to "
            f"{max(stitch.id for stitch in net.space)}, or names such as {net.space[0].name}"
        )
    return sorted({names[word] for word in words}, key=lambda stitch: stitch.id)


def _compared(datamodule: L.LightningDataModule | None, net: SNNet, count: int) -> Tensor:
    if datamodule is not None:
        return test_images(datamodule, count)
    log.warning("there are no data, so files are compared with the network on noise; data=... compares on images")
    return torch.randn(count, *net.description.input_size, generator=torch.Generator().manual_seed(0))


def _calibrating(datamodule: L.LightningDataModule | None, options: Export) -> Tensor | None:
    if options.precision != "int8" or options.quantization != "static":
        return None
    if datamodule is None:
        raise InputError("quantization=static finds ranges on training images: add data=...")
    return training_images(datamodule, options.calibration_images)


def _tell(done: int, of: int, exported: Exported) -> None:
    parity = exported.parity
    log.info(
        "%d of %d: %s is %s; logits differ by %.1e at most, top-1 agrees on %.4g %% of %d images",
        *(done, of, exported.stitch.name, exported.file),
        *(parity.difference, parity.agreement, parity.images),
    )


def _tell_size(net: SNNet, exported: Sequence[Exported], folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.iterdir())
    parameters = sum(p.numel() for p in net.parameters_of(*(item.stitch for item in exported)))
    log.info("%s: %.1f MB for %.2f M parameters", folder, size / 1e6, parameters / 1e6)
