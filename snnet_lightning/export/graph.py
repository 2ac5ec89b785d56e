"""A stitch as an ONNX graph in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from snnet_lightning.errors import InputError
from snnet_lightning.export.extra import extra
from snnet_lightning.export.quiet import quiet

if TYPE_CHECKING:
    import onnx_ir as ir

OPSET = 18  # the first that PyTorch's exporter knows by itself: nothing is converted, and most runtimes read it
IMAGES, LOGITS = "images", "logits"
GROWS = 1024  # elements that a folded constant may have more than what it was made of


def onnx_graph(module: nn.Module, input_size: Sequence[int], opset: int = OPSET) -> ir.Model:
    """The graph of ``module``: ``images`` (batch, C, H, W) -> ``logits`` (batch, classes), for any batch.

    Its weights are those of the module, transposed where a matrix product wants it, but not folded into each other:
    stitches that share a block have equal bytes for it, and runtimes fold when they load it.

    Raises:
        InputError: an opset that onnx does not know, or that has not all operators that the stitch needs.
    """
    latest = extra("onnx").defs.onnx_opset_version()
    if not 1 <= opset <= latest:
        raise InputError(f"opset={opset}: onnx {extra('onnx').__version__} knows 1 to {latest}")
    with quiet():
        program: Any = torch.onnx.export(
            module,
            (torch.zeros(2, *input_size),),
            dynamo=True,
            input_names=[IMAGES],
            output_names=[LOGITS],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=opset,
            optimize=False,
            verbose=False,
        )
        model = program.model
        _simplify(model)
    if model.opset_imports[""] != opset:
        raise InputError(f"opset={opset}: has not all operators that this stitch needs; take {OPSET}")
    return model


def _simplify(model: ir.Model) -> None:
    from onnx_ir.passes import common
    from onnxscript import optimizer

    optimizer.inline(model)
    optimizer.fold_constants(model, output_size_limit=GROWS)
    for step in (
        common.IdentityEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedFunctionsPass(),
        common.RemoveUnusedOpsetsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.ClearMetadataAndDocStringPass(),
    ):
        step(model)
