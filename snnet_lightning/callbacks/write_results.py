"""Write, print and log what the evaluation of all stitches found."""

from pathlib import Path

import lightning as L
from lightning.pytorch.utilities import rank_zero_only

from snnet_lightning.evaluation.report import report
from snnet_lightning.evaluation.results import known
from snnet_lightning.model import SNNetModule
from snnet_lightning.model.exported_module import ExportedModule

NETWORK = "snnet"


class WriteResults(L.Callback):
    """After a test epoch: files of the results, the saved network, the table on the terminal, the loggers.

    Args:
        directory: where the files go.
        save_network: whether the network goes there too, as the folder ``snnet``.
    """

    def __init__(self, directory: str, save_network: bool = True):
        self.directory, self.save_network = Path(directory), save_network

    @rank_zero_only
    def on_test_end(self, trainer: L.Trainer, pl_module: SNNetModule | ExportedModule) -> None:
        if trainer.progress_bar_callback is not None:
            trainer.progress_bar_callback.teardown(trainer, pl_module, "test")  # its last state goes above the table
        rows, anchors = pl_module.rows, pl_module.anchor_ids
        latency = getattr(getattr(pl_module, "net", None), "latency", None)
        page = report(
            rows, anchors, self.directory, getattr(pl_module, "network_acc1", None), latency and latency.in_words
        )
        for logger in trainer.loggers:
            if hasattr(logger, "log_stitches"):  # it knows tables
                logger.log_stitches(rows, anchors, page)
            else:
                for row in rows:  # as a table: one step a stitch
                    logger.log_metrics({f"stitch/{k}": v for k, v in known(row).items() if k != "name"}, step=row.id)
            logger.save()
        if self.save_network and isinstance(pl_module, SNNetModule):  # which exported stitches come without
            pl_module.net.save_pretrained(self.directory / NETWORK)  # last, for it may be refused
