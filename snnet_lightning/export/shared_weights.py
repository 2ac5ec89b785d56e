"""One file of weights for many ONNX graphs: what is equal is stored once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from snnet_lightning.export.extra import extra

if TYPE_CHECKING:
    import onnx_ir as ir

WEIGHTS = "weights.bin"
SMALL = 256  # bytes of a tensor that stays in the graph
ALIGNMENT = 64  # of every tensor
LARGE, PAGE = 1 << 20, 4096  # large ones begin on a page, to be mapped into memory


class SharedWeights:
    """A file that graphs beside it point into, written as they come; only digests of the tensors stay in memory.

    Args:
        folder: of the graphs, which gets the file with the first of them.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.offsets: dict[bytes, int] = {}

    def write(self, model: ir.Model, name: str) -> None:
        """Write ``model`` to the file ``name`` of the folder, which can be read at once."""
        ir = extra("onnx_ir")
        with (self.folder / WEIGHTS).open("ab") as file:
            for value in model.graph.initializers.values():
                tensor = value.const_value
                if tensor is not None and tensor.nbytes >= SMALL:
                    value.const_value = ir.ExternalTensor(
                        WEIGHTS,
                        self._offset(tensor.tobytes(), file),
                        tensor.nbytes,
                        tensor.dtype,
                        shape=tensor.shape,
                        name=value.name,
                        base_dir=self.folder,
                    )
        (self.folder / name).write_bytes(ir.to_proto(model).SerializeToString(deterministic=True))

    def _offset(self, content: bytes, file: BinaryIO) -> int:
        """Where ``content`` stands. Equal bytes are the same weights, whatever type and shape a graph gives them."""
        digest = hashlib.sha256(content).digest()
        if digest not in self.offsets:
            border = PAGE if len(content) >= LARGE else ALIGNMENT
            file.write(bytes(-file.tell() % border))
            self.offsets[digest] = file.tell()
            file.write(content)
        return self.offsets[digest]
