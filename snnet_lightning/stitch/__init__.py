"""Stitches and stitch spaces as frozen data; nothing in here knows torch."""

from snnet_lightning.stitch.paired import PairedSpace
from snnet_lightning.stitch.route import Stitch, StitchSpace

__all__ = ["PairedSpace", "Stitch", "StitchSpace"]
