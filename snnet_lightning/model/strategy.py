"""Which strategies of Lightning can train an SN-Net."""

import lightning as L
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, SingleDeviceStrategy

from snnet_lightning.errors import InputError


def require_strategy(trainer: L.Trainer) -> None:
    """Refuse strategies that cannot work, before one starts processes that then wait for each other.

    Raises:
        InputError: a strategy that was not made for networks of which a step uses a part.
    """
    strategy = trainer.strategy
    known = isinstance(strategy, SingleDeviceStrategy | DDPStrategy) and not isinstance(strategy, DeepSpeedStrategy)
    start = getattr(strategy, "_start_method", "popen")
    if not known or start != "popen":
        name = getattr(strategy, "strategy_name", type(strategy).__name__) if not known else f"ddp_{start}"
        raise InputError(f"trainer.strategy={name}: must be auto, for one process, or ddp_find_unused_parameters_true")
    if isinstance(strategy, DDPStrategy) and not strategy._ddp_kwargs.get("find_unused_parameters"):
        raise InputError("several processes need strategy=ddp, for a step leaves most of the SN-Net unused")
