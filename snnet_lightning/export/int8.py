"""A graph whose matrix products run on 8-bit integers."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from torch import Tensor

from snnet_lightning.export.extra import extra
from snnet_lightning.export.quiet import quiet

if TYPE_CHECKING:
    import onnx_ir as ir


def int8(model: ir.Model, images: Tensor | None = None) -> ir.Model:
    ir, quantization = extra("onnx_ir"), extra("onnxruntime.quantization")
    with TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        quantization.quantize_dynamic(ir.to_proto(model), path, op_types_to_quantize=["MatMul", "Gemm"])
        return ir.from_proto(extra("onnx").load(path))
