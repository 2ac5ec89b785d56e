"""One file of weights for many ONNX graphs: what is equal is stored once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

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
        folder: of the graphs, which gets the file.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.offsets: dict[bytes, int] = {}

    def __enter__(self) -> SharedWeights:
        self.file = (self.folder / WEIGHTS).open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def write(self, model: ir.Model, name: str) -> None:
        """Write ``model`` to the file ``name`` of the folder, which can be read at once."""
        ir = extra("onnx_ir")
        for value in model.graph.initializers.values():
            tensor = value.const_value
            if tensor is not None and tensor.nbytes >= SMALL:
                value.const_value = ir.ExternalTensor(
                    WEIGHTS,
                    self._offset(tensor.tobytes()),
                    tensor.nbytes,
                    tensor.dtype,
                    shape=tensor.shape,
                    name=value.name,
                    base_dir=self.folder,
                )
        self.file.flush()
        (self.folder / name).write_bytes(ir.to_proto(model).SerializeToString(deterministic=True))

    def _offset(self, content: bytes) -> int:
        """Where ``content`` stands. Equal bytes are the same weights, whatever type and shape a graph gives them."""
        digest = hashlib.sha256(content).digest()
        if digest not in self.offsets:
            border = PAGE if len(content) >= LARGE else ALIGNMENT
            self.file.write(bytes(-self.file.tell() % border))
            self.offsets[digest] = self.file.tell()
            self.file.write(content)
        return self.offsets[digest]
