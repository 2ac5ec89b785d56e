"""Evaluate every stitch of a checkpoint, or only say what each costs: python evaluate.py ckpt_path=... [key=value]"""

import hydra
from omegaconf import DictConfig

from snnet_lightning.command import job, optimized_metric, recall_training_overrides, run


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
@job
def main(cfg: DictConfig) -> float | None:
    import lightning as L
    import torch
    from hydra.utils import instantiate

    from snnet_lightning.checkpoints import load_checkpoint
    from snnet_lightning.evaluation.report import report_costs

    torch.set_num_threads(cfg.num_threads or torch.get_num_threads())
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    net = instantiate(cfg.net)
    if not cfg.accuracy:
        report_costs(net, cfg.callbacks.write_results.directory)
        return None
    load_checkpoint(net, cfg.ckpt_path)
    model = instantiate(cfg.model)(net)
    trainer = instantiate(
        cfg.trainer,
        callbacks=[*filter(None, instantiate(cfg.callbacks).values())],
        logger=[*instantiate(cfg.logger).values()],
    )
    trainer.test(model, datamodule=instantiate(cfg.data), verbose=False)
    return optimized_metric(trainer.callback_metrics, cfg.optimized_metric)


if __name__ == "__main__":
    recall_training_overrides()
    run(main)
