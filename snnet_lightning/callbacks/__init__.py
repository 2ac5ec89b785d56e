"""Lightning callbacks around a run."""

from snnet_lightning.callbacks.average_weights import AverageWeights
from snnet_lightning.callbacks.initialise_stitching_layers import InitialiseStitchingLayers
from snnet_lightning.callbacks.remember_overrides import RememberOverrides
from snnet_lightning.callbacks.write_results import WriteResults

__all__ = ["AverageWeights", "InitialiseStitchingLayers", "RememberOverrides", "WriteResults"]
