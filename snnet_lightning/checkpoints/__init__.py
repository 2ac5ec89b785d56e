"""Checkpoints of whole SN-Nets: our own, and those that were published."""

from snnet_lightning.checkpoints.load import load_checkpoint, require_resumable

__all__ = ["load_checkpoint", "require_resumable"]
