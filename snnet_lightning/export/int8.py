"""A graph that computes on 8-bit integers where most of the weights are."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from snnet_lightning.export.extra import extra
from snnet_lightning.export.graph import IMAGES
from snnet_lightning.export.quiet import quiet

if TYPE_CHECKING:
    import onnx_ir as ir

BATCH = 16  # calibration images at a time


def int8(model: ir.Model, images: Tensor | None = None) -> ir.Model:
    """``model`` with the weights of its matrix products as int8 of 7 bits, a scale a channel; the rest stays as it is.

    Args:
        model: is changed.
        images: (N, C, H, W), to find the ranges of activations from: once, here. Convolutions become int8 as well,
            with the BatchNorm after them folded in. None: every run finds the ranges of its batch, and convolutions
            stay as they are.
    """
    ir, onnx, quantization = map(extra, ("onnx_ir", "onnx", "onnxruntime.quantization"))
    # Of 7 bits: sums of products of 8 overflow on processors without VNNI, and the accuracy would be the processor's.
    options: dict[str, Any] = {"per_channel": True, "weight_type": quantization.QuantType.QInt8, "reduce_range": True}
    with TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        if images is not None:
            _fold_batchnorm(model)
        proto = ir.to_proto(model)
        del proto.graph.value_info[:]  # onnxruntime 1.31 turns weights around, and finds other shapes than were told
        if images is None:
            quantization.quantize_dynamic(proto, path, ["MatMul", "Gemm"], **options)
        else:
            # Products of two activations, and biases, whose scales would be those of a stitch, stay in float.
            options["extra_options"] = {"MatMulConstBOnly": True, "QuantizeBias": False}
            options["op_types_to_quantize"] = ["MatMul", "Gemm", "Conv"]
            quantization.quantize_static(proto, path, _Batches(images), **options)
        return ir.from_proto(onnx.load(path))


def _fold_batchnorm(model: ir.Model) -> None:
    from onnxscript.rewriter import rewrite
    from onnxscript.rewriter.rules.common import fuse_batchnorm_into_conv_rule

    rewrite(model, [fuse_batchnorm_into_conv_rule])


class _Batches:
    """As onnxruntime's quantiser asks for calibration images."""

    def __init__(self, images: Tensor):
        self.left = iter(images.cpu().float().split(BATCH))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(({IMAGES: batch.numpy()} for batch in self.left), None)
