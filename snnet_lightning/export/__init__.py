"""Stitches for other runtimes: ONNX graphs that share one weight file, or programs of torch.export."""

from snnet_lightning.export.export import Exported, export_stitches
from snnet_lightning.export.files import note_accuracies, read_exported
from snnet_lightning.export.folder import require_free
from snnet_lightning.export.parity import Parity
from snnet_lightning.export.run import RunnableStitch, load_exported

__all__ = [
    "Exported",
    "Parity",
    "RunnableStitch",
    "export_stitches",
    "load_exported",
    "note_accuracies",
    "read_exported",
    "require_free",
]
