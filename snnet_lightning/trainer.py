"""Lightning's Trainer, whose numbers are checked before it takes them."""

import inspect
from collections.abc import Sequence
from typing import Any, Literal

import lightning as L
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from snnet_lightning.errors import InputError

# Where Lightning's own annotations admit what it then takes silently, or what would be spent on the check.
RANGES: dict[str, Any] = {
    "num_nodes": PositiveInt,
    "logger": bool | Logger | Sequence[Logger] | None,  # an iterable would be used up
    "fast_dev_run": bool | NonNegativeInt,
    "max_epochs": NonNegativeInt | None,
    "min_epochs": NonNegativeInt | None,
    "max_steps": Literal[-1] | NonNegativeInt,
    "min_steps": NonNegativeInt | None,
    "limit_train_batches": NonNegativeInt | NonNegativeFloat | None,
    "limit_val_batches": NonNegativeInt | NonNegativeFloat | None,
    "limit_test_batches": NonNegativeInt | NonNegativeFloat | None,
    "limit_predict_batches": NonNegativeInt | NonNegativeFloat | None,
    "overfit_batches": NonNegativeInt | NonNegativeFloat,
    "check_val_every_n_epoch": PositiveInt | None,
    "num_sanity_val_steps": Literal[-1] | NonNegativeInt | None,
    "log_every_n_steps": NonNegativeInt | None,
    "accumulate_grad_batches": PositiveInt,
    "gradient_clip_val": NonNegativeFloat | None,
    "gradient_clip_algorithm": Literal["norm", "value"] | None,
    "reload_dataloaders_every_n_epochs": NonNegativeInt,
}


def create_trainer(**arguments: Any) -> L.Trainer:
    """A Trainer; arguments as Lightning's.

    Raises:
        InputError: Lightning refuses them.
    """
    try:
        return L.Trainer(**arguments)
    except (MisconfigurationException, ValueError, TypeError, ImportError) as error:
        raise InputError(f"trainer: {' '.join(str(error).split())}") from error


_parameters = [
    parameter.replace(annotation=RANGES.get(name, parameter.annotation))
    for name, parameter in inspect.signature(L.Trainer, eval_str=True).parameters.items()
]
create_trainer.__signature__ = inspect.Signature(_parameters)  # type: ignore[attr-defined]  # inspect looks there
