"""Stitches and stitch spaces as frozen data; nothing in here knows torch."""

from snnet_lightning.stitch.fitting import FittingSpace
from snnet_lightning.stitch.paired import PairedSpace
from snnet_lightning.stitch.registry import SPACES, Space, register_space, space_as_data, space_from_data
from snnet_lightning.stitch.route import Stitch, StitchSpace
from snnet_lightning.stitch.staged import StagedSpace
from snnet_lightning.stitch.two_way import TwoWaySpace

__all__ = [
    "SPACES",
    "FittingSpace",
    "PairedSpace",
    "Space",
    "StagedSpace",
    "Stitch",
    "StitchSpace",
    "TwoWaySpace",
    "register_space",
    "space_as_data",
    "space_from_data",
]
