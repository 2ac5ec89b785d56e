"""Sweeps: every job in processes of its own, and at the end one table and one picture of all jobs."""

from snnet_lightning.sweeps.write_sweep import WriteSweep

__all__ = ["WriteSweep"]
