"""Stitches and stitch spaces as frozen data; nothing in here knows torch."""

from snnet_lightning.stitch.fitting import FittingSpace
from snnet_lightning.stitch.paired import PairedSpace
from snnet_lightning.stitch.route import Stitch, StitchSpace
from snnet_lightning.stitch.staged import StagedSpace
from snnet_lightning.stitch.two_way import TwoWaySpace

__all__ = ["FittingSpace", "PairedSpace", "StagedSpace", "Stitch", "StitchSpace", "TwoWaySpace"]
