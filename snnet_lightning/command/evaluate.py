"""Evaluate every stitch of a checkpoint, or those that were exported, or only say what each costs."""

from dataclasses import dataclass

from omegaconf import DictConfig

from snnet_lightning.checked import File
from snnet_lightning.command.budget import Budget
from snnet_lightning.command.job import job
from snnet_lightning.command.run import run
from snnet_lightning.errors import InputError


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated, and what the evaluation returns: the options that belong to no group.

    Args:
        ckpt_path: a checkpoint of ours, a saved network, or a published file.
        exported: a folder of exported stitches, to be evaluated instead.
        init_from: belongs to a training.
        accuracy: whether accuracies are measured, or only costs told.
        budget: what a stitch may cost, of which the most accurate that fits is named.
        optimized_metric: the logged metric that a sweep is told of.

    Raises:
        InputError: the file is given as one to start from; several things are to be evaluated; a budget without any
            accuracies.
    """

    ckpt_path: File | None
    exported: File | None
    init_from: File | None
    accuracy: bool
    budget: Budget
    optimized_metric: str

    def __post_init__(self):
        if self.init_from is not None:
            raise InputError(
                f"init_from={self.init_from} starts a training (train.py); ckpt_path={self.init_from} evaluates it"
            )
        if None not in (self.ckpt_path, self.exported):
            raise InputError(f"ckpt_path={self.ckpt_path} and exported={self.exported}: give one of them")
        if self.budget and not self.accuracy:
            raise InputError(f"{self.budget}: chooses by accuracies, so accuracy=false cannot be")


@job("evaluate", "snnet_lightning.command.evaluate")
def task(cfg: DictConfig) -> float | None:
    from snnet_lightning.command.instantiate import made
    from snnet_lightning.command.parts import (
        create_datamodule,
        create_net,
        create_trainer,
        evaluate_exported,
        load_evaluated,
        metric,
        require_metric,
    )
    from snnet_lightning.evaluation.report import report_costs
    from snnet_lightning.evaluation.summary import summary_names

    made(cfg, "process")
    options = made(cfg, "evaluation")
    if not options.accuracy:
        report_costs(create_net(cfg), cfg.trainer.default_root_dir)
        return None
    datamodule = create_datamodule(cfg)
    if options.exported:
        rows, found = evaluate_exported(cfg, options.exported, datamodule)
        options.budget.tell(rows)
        return metric(found, options.optimized_metric)
    net = create_net(cfg, datamodule)
    load_evaluated(net, options.ckpt_path, cfg.recalled_from)
    options.budget.require_known(net.latency)
    model = made(cfg, "model", net=net)
    require_metric(summary_names(stitch.name for stitch in net.space.anchors), options.optimized_metric)
    trainer = create_trainer(cfg)
    trainer.test(model, datamodule=datamodule, verbose=False)
    options.budget.tell(model.rows, net.latency)
    return metric(trainer.callback_metrics, options.optimized_metric)


def main() -> None:
    run(task, recalled_by=["ckpt_path", "exported"])


if __name__ == "__main__":
    main()
