"""Run an exported stitch."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from snnet_lightning.errors import InputError
from snnet_lightning.export.extra import extra
from snnet_lightning.export.program import load_program

QUIET = 4  # of onnxruntime's log: errors are raised as well


@dataclass(frozen=True)
class RunnableStitch:
    """Images (N, C, H, W) -> logits (N, classes), both float32 on the CPU.

    Args:
        run: computes that.
        metadata: as the file holds it, by its keys.
    """

    run: Callable[[Tensor], Tensor]
    metadata: Mapping[str, str]

    @property
    def stitch(self) -> str:
        """Its name."""
        return self.metadata["stitch"]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """In the order of the logits; None if unknown."""
        names = self.metadata.get("class_names")
        return None if names is None else tuple(json.loads(names))

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        return self.run(images)


def load_exported(path: str | Path, trusted: bool = False) -> RunnableStitch:
    """The stitch in a ``.onnx`` or ``.pt2`` file, run by onnxruntime or by PyTorch on the CPU.

    Args:
        trusted: whether a ``.pt2`` file is run, which can hold code, and PyTorch would run it on loading.

    Raises:
        InputError: no such file, another format, one that cannot be read, or is not to be trusted.
    """
    path = Path(path)
    loaders = {".onnx": _load_graph, ".pt2": load_program}
    if path.suffix not in loaders:
        raise InputError(f"{path}: exported stitches are .onnx or .pt2 files")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".pt2" and not trusted:
        raise InputError(f"{path}: a program of torch.export can hold code, and is not run; export as format=onnx")
    run, metadata = loaders[path.suffix](path)
    if "stitch" not in metadata:
        raise InputError(f"{path}: is no exported stitch, for it does not say of which")
    return RunnableStitch(run, metadata)


def _load_graph(path: Path) -> tuple[Callable[[Tensor], Tensor], Mapping[str, str]]:
    onnxruntime = extra("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes of errors have no common base
        raise InputError(f"{path}: onnxruntime cannot load it ({_first_line(error)})") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [len(value.shape) for value in (*inputs, *outputs)] != [4, 2] or inputs[0].type != "tensor(float)":
        raise InputError(f"{path}: is no exported stitch, for it does not make logits of images")

    def run(images: Tensor) -> Tensor:
        try:
            return torch.from_numpy(session.run(None, {inputs[0].name: images.numpy()})[0])
        except Exception as error:
            raise InputError(f"{path}: does not run on these images ({_first_line(error)})") from error

    return run, session.get_modelmeta().custom_metadata_map


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
