"""The Trainer of the scripts here."""

from typing import Any

import lightning as L


def make_trainer(*callbacks: L.Callback, **options: Any) -> L.Trainer:
    """Two processes on the CPU, one epoch; shows and stores nothing unless told otherwise."""
    defaults = {
        "accelerator": "cpu",
        "devices": 2,
        "strategy": "ddp_find_unused_parameters_true",
        "use_distributed_sampler": False,
        "max_epochs": 1,
        "limit_train_batches": 3,
        "num_sanity_val_steps": 0,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return L.Trainer(callbacks=list(callbacks), **defaults | options)
