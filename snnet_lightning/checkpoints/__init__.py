"""Checkpoints of whole SN-Nets: our own, and those that were published."""

from snnet_lightning.checkpoints.atomic_io import AtomicCheckpointIO
from snnet_lightning.checkpoints.last import resolve_last
from snnet_lightning.checkpoints.load import load_checkpoint, require_resumable

__all__ = ["AtomicCheckpointIO", "load_checkpoint", "require_resumable", "resolve_last"]
