"""Lightning callbacks around a run."""

from snnet_lightning.callbacks.average_weights import AverageWeights
from snnet_lightning.callbacks.best_checkpoint import BestCheckpoint
from snnet_lightning.callbacks.calibrate_batch_norm import CalibrateBatchNorm
from snnet_lightning.callbacks.continue_evaluation import ContinueEvaluation
from snnet_lightning.callbacks.initialise_stitching_layers import InitialiseStitchingLayers
from snnet_lightning.callbacks.last_checkpoint import LastCheckpoint
from snnet_lightning.callbacks.log_drawn_stitches import LogDrawnStitches
from snnet_lightning.callbacks.reseed_every_step import ReseedEveryStep
from snnet_lightning.callbacks.stop_on_non_finite_loss import StopOnNonFiniteLoss
from snnet_lightning.callbacks.write_results import WriteResults

__all__ = [
    "AverageWeights",
    "BestCheckpoint",
    "CalibrateBatchNorm",
    "ContinueEvaluation",
    "InitialiseStitchingLayers",
    "LastCheckpoint",
    "LogDrawnStitches",
    "ReseedEveryStep",
    "StopOnNonFiniteLoss",
    "WriteResults",
]
