"""How many optimiser steps a training has, which schedules have to know before the first one."""

from math import isinf

import lightning as L

from snnet_lightning.errors import InputError


def training_steps(trainer: L.Trainer) -> tuple[int, int]:
    """Optimiser steps of a training, and of one of its epochs.

    Raises:
        InputError: nobody said how many steps or batches there are.
    """
    if trainer.limit_train_batches == 0:
        return 0, 1
    trainer.fit_loop.setup_data()  # so that the batches of an epoch are known with max_steps alone too
    batches, total = trainer.num_training_batches, trainer.estimated_stepping_batches
    if isinf(batches):
        raise InputError(
            "the training data do not tell their number of batches: set trainer.limit_train_batches to that"
        )
    if isinf(total):
        raise InputError("learning rates fall until the end: set trainer.max_epochs or trainer.max_steps")
    return int(total), max(1, -(-int(batches) // trainer.accumulate_grad_batches))
