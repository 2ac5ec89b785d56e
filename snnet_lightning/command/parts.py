"""What training and evaluation make alike: network, weights, trainer, result."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import lightning as L
from omegaconf import DictConfig

from snnet_lightning.anchors.family import CHECKPOINT
from snnet_lightning.checkpoint_file import class_names_in, read_checkpoint
from snnet_lightning.checkpoints.load import load_weights, read_table
from snnet_lightning.command.instantiate import instantiate, made
from snnet_lightning.command.recall import unknown_data
from snnet_lightning.description import Description, other_classes
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import Row
from snnet_lightning.model.exported_module import ExportedModule
from snnet_lightning.model.strategy import require_strategy
from snnet_lightning.network.snnet import SNNet

log = logging.getLogger(__name__)


def create_net(cfg: DictConfig, datamodule: L.LightningDataModule | None = None, resumed: bool = False) -> SNNet:
    """The configured network, for the images that ``datamodule`` serves; ``resumed``: all weights are still to come.

    Raises:
        InputError: the data has other classes than the network.
    """
    names = ("num_classes", "class_names", "preprocessing")
    first = {"anchors": {"weights": CHECKPOINT}} if resumed else {}  # which may be on no disk here, or gone by now
    return made(cfg, "net", **{name: getattr(datamodule, name, None) for name in names}, **first)


def create_datamodule(cfg: DictConfig) -> L.LightningDataModule:
    """The configured data.

    Raises:
        InputError: there are none, for the file that the network was composed from does not say them.
    """
    if not cfg.get("data", True):
        raise unknown_data(cfg.recalled_from)
    return made(cfg, "data")


def create_trainer(cfg: DictConfig, only: Collection[str] | None = None) -> L.Trainer:
    """The configured trainer, with all callbacks of the configuration, or ``only`` those."""
    configured = instantiate(cfg.callbacks).items()
    callbacks = [callback for key, callback in configured if callback and (only is None or key in only)]
    trainer = made(cfg, "trainer", callbacks=callbacks, logger=[*instantiate(cfg.logger).values()])
    require_strategy(trainer)
    return trainer


def start_from(net: SNNet, init_from: str, recalled_from: str | None) -> None:
    """Load the weights of ``init_from``; classifiers for other classes stay new.

    Raises:
        InputError: a file that is no SN-Net, or does not fit.
    """
    _require_recalled("init_from", init_from, recalled_from)
    where = f"init_from={init_from}"
    content = read_checkpoint(init_from, where)
    renamed = other_classes(net.class_names, class_names_in(content, where))
    for anchor in load_weights(net, content, where, new_heads="all" if renamed else "reshaped"):
        log.info("%s has a new, random head for %d classes", anchor, net.description.num_classes)
    net.route_statistics.clear()  # they are of the weights that were; a training begins with none


def load_evaluated(net: SNNet, ckpt_path: str | None, recalled_from: str | None) -> None:
    """Load the weights that are to be evaluated.

    Raises:
        InputError: no file, one that is no SN-Net, or of another network.
    """
    if ckpt_path is None:
        raise InputError(
            "ckpt_path is missing: give ckpt_path=FILE, or accuracy=false for the cost of the stitches alone"
        )
    _require_recalled("ckpt_path", ckpt_path, recalled_from)
    where = f"ckpt_path={ckpt_path}"
    content = read_checkpoint(ckpt_path, where)
    load_weights(net, content, where)
    read_table(ckpt_path, net)
    _warn_of_other_classes(net.class_names, class_names_in(content, where), where)


def evaluate_exported(
    cfg: DictConfig, folder: str, datamodule: L.LightningDataModule
) -> tuple[list[Row], Mapping[str, Any]]:
    """Evaluate the stitches in a folder of exported ones; their rows, and what was logged."""
    module, trainer = ExportedModule(folder), create_trainer(cfg, only=("write_results", "progress"))
    require_classes(datamodule, module.exported.description, f"exported={folder}")
    trainer.test(module, datamodule=datamodule, verbose=False)
    return module.rows, trainer.callback_metrics


def require_classes(datamodule: L.LightningDataModule, description: Description, where: str) -> None:
    """Check that the data have as many classes as a network; warn where they have other names.

    Raises:
        InputError: they have not.
    """
    classes, names = (getattr(datamodule, name, None) for name in ("num_classes", "class_names"))
    if classes not in (None, description.num_classes):
        raise InputError(f"{where}: is of {description.num_classes} classes, but the data have {classes}")
    _warn_of_other_classes(names, description.class_names, where)


def _warn_of_other_classes(names: Sequence[str] | None, trained_on: Sequence[str] | None, where: str) -> None:
    if other_classes(names, trained_on):
        log.warning("%s was trained on classes of other names than those of the data", where)


def _require_recalled(option: str, path: str, recalled_from: str | None) -> None:
    """A path that stands in a configuration file comes too late for the network to be composed from it."""
    if path != recalled_from:
        raise InputError(f"{option}={path}: has to stand on the command line, for it decides what is composed")


def metric(found: Mapping[str, Any], name: str) -> float:
    """The logged metric that a sweep is told of.

    Raises:
        InputError: nothing was logged under this name.
    """
    if name not in found:
        raise _no_metric(name, found)
    return float(found[name])


def require_metric(known: Iterable[str], name: str) -> None:
    """Refuse, before anything is trained, a metric that would be one of ours; those of others are not known yet.

    Raises:
        InputError: it is none of ``known``.
    """
    if name.startswith(("train/", "val/", "test/")) and name not in known:
        raise _no_metric(name, known)


def _no_metric(name: str, known: Iterable[str]) -> InputError:
    return InputError(f"optimized_metric={name}: there is no such metric; there are {', '.join(sorted(known))}")
