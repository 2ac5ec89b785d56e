"""Train an SN-Net, then evaluate every stitch: python train.py [key=value ...]"""

import hydra
from omegaconf import DictConfig

from snnet_lightning.command import job, optimized_metric, run


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
@job
def main(cfg: DictConfig) -> float:
    import lightning as L
    import torch
    from hydra.utils import instantiate

    from snnet_lightning.checkpoints import require_resumable, resolve_last

    torch.set_num_threads(cfg.num_threads or torch.get_num_threads())
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    datamodule = instantiate(cfg.data)
    net = instantiate(cfg.net)
    ckpt_path = resolve_last(cfg.ckpt_path, cfg.callbacks.last_checkpoint.directory)
    require_resumable(net, ckpt_path)
    model = instantiate(cfg.model)(net)
    trainer = instantiate(
        cfg.trainer,
        callbacks=[*filter(None, instantiate(cfg.callbacks).values())],
        logger=[*instantiate(cfg.logger).values()],
    )
    trainer.fit(model, datamodule=datamodule, ckpt_path=ckpt_path)
    trained = dict(trainer.callback_metrics)
    trainer.test(model, datamodule=datamodule, verbose=False)
    return optimized_metric(trained | trainer.callback_metrics, cfg.optimized_metric)


if __name__ == "__main__":
    run(main)
