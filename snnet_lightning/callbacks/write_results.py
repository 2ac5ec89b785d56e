"""Write, print and log what the evaluation of all stitches found."""

from pathlib import Path

import lightning as L
from lightning.pytorch.utilities import rank_zero_only

from snnet_lightning.evaluation.report import report
from snnet_lightning.evaluation.results import stitch_rows


class WriteResults(L.Callback):
    """After a test epoch: ``stitches.jsonl``, ``pareto.png``, a table on the terminal, and the loggers.

    Args:
        directory: where the files go.
    """

    def __init__(self, directory: str):
        self.directory = Path(directory)

    @rank_zero_only
    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rows = stitch_rows(pl_module.costs, pl_module.scores)
        report(rows, pl_module.net.space, self.directory)
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"test/{key}/{row.name}": getattr(row, key) for row in rows for key in ("acc1", "acc5", "loss")},
                step=trainer.global_step,
            )
            logger.save()
