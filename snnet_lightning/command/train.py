"""Train an SN-Net, then evaluate every stitch."""

from dataclasses import dataclass

from omegaconf import DictConfig

from snnet_lightning.checked import File
from snnet_lightning.command.job import job
from snnet_lightning.command.run import run
from snnet_lightning.errors import InputError


@dataclass(frozen=True)
class Training:
    """What a training starts from and what it returns: the options that belong to no group.

    Args:
        ckpt_path: a checkpoint of ours to go on from; ``last``: the run's own, if there is one.
        init_from: a checkpoint of ours or a published file, whose weights a new training starts from.
        checkpoints: folder of the run's own checkpoints.
        optimized_metric: the logged metric that a sweep is told of.

    Raises:
        InputError: both another checkpoint to go on from and one to start from.
    """

    ckpt_path: File | None
    init_from: File | None
    checkpoints: str
    optimized_metric: str

    def __post_init__(self):
        if self.init_from is not None and self.ckpt_path not in (None, "last"):
            raise InputError(
                f"init_from={self.init_from} starts a new training, ckpt_path={self.ckpt_path} goes on with one: "
                "give one of them"
            )


@job("train", "snnet_lightning.command.train")
def task(cfg: DictConfig) -> float:
    from snnet_lightning.checkpoints.resume import forget_requeued, requeued, require_resumable, resolve_last
    from snnet_lightning.command.instantiate import made
    from snnet_lightning.command.parts import (
        create_datamodule,
        create_net,
        create_trainer,
        metric,
        require_metric,
        start_from,
    )

    made(cfg, "process")
    options = made(cfg, "training")
    datamodule = create_datamodule(cfg)
    ckpt_path = resolve_last(options.ckpt_path, options.checkpoints) or requeued(cfg.trainer.default_root_dir)
    net = create_net(cfg, datamodule, resumed=ckpt_path is not None)
    if options.init_from and ckpt_path is None:
        start_from(net, options.init_from, cfg.recalled_from)
    require_resumable(net, ckpt_path)
    model = made(cfg, "model", net=net)
    require_metric(model.metric_names, options.optimized_metric)
    trainer = create_trainer(cfg)
    trainer.fit(model, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=True)
    if trainer.is_global_zero:
        forget_requeued(cfg.trainer.default_root_dir)
    trainer.strategy.barrier()
    trained = dict(trainer.callback_metrics)
    trainer.test(model, datamodule=datamodule, verbose=False)
    return metric(trained | trainer.callback_metrics, options.optimized_metric)


def main() -> None:
    run(task, recalled_by=["init_from"])


if __name__ == "__main__":
    main()
