"""Write stitches as files of one format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from snnet_lightning.export.graph import onnx_graph
from snnet_lightning.export.program import save_program
from snnet_lightning.export.shared_weights import SharedWeights

if TYPE_CHECKING:
    import onnx_ir as ir

Write = Callable[[nn.Module, Mapping[str, str], str], str]  # a stitch, its metadata, a stem -> the file's name


@contextmanager
def graphs(
    folder: Path, input_size: Sequence[int], opset: int, change: Callable[[ir.Model], ir.Model] | None = None
) -> Iterator[Write]:
    """ONNX graphs that share one weight file; ``change``: what each goes through before."""
    with SharedWeights(folder) as weights:

        def write(module: nn.Module, metadata: Mapping[str, str], stem: str) -> str:
            model = onnx_graph(module, input_size, opset)
            if change is not None:
                model = change(model)
            model.metadata_props.update(metadata)
            weights.write(model, f"{stem}.onnx")
            return f"{stem}.onnx"

        yield write


@contextmanager
def programs(folder: Path, input_size: Sequence[int]) -> Iterator[Write]:
    """Programs of torch.export, each with its own weights."""

    def write(module: nn.Module, metadata: Mapping[str, str], stem: str) -> str:
        save_program(module, input_size, folder / f"{stem}.pt2", metadata)
        return f"{stem}.pt2"

    yield write
