"""Time every stitch of a network on this machine."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, cast

from omegaconf import DictConfig

from snnet_lightning.command.job import job
from snnet_lightning.command.progress import progress
from snnet_lightning.command.run import run
from snnet_lightning.errors import InputError

if TYPE_CHECKING:
    from snnet_lightning.latency.table import BatchLatency
    from snnet_lightning.network.snnet import SNNet

log = logging.getLogger(__name__)


@job("latency", "snnet_lightning.latency")
def task(cfg: DictConfig) -> None:
    from snnet_lightning.checkpoints import load
    from snnet_lightning.command.instantiate import instantiate, made
    from snnet_lightning.command.parts import create_net, load_evaluated
    from snnet_lightning.evaluation.cost import stitch_costs
    from snnet_lightning.evaluation.report import report
    from snnet_lightning.evaluation.results import stitch_rows
    from snnet_lightning.latency.measure import measure_latency
    from snnet_lightning.latency.table import with_latency, write_latency
    from snnet_lightning.network_folder import LATENCY, holds_network
    from snnet_lightning.saved.save import save_latency

    made(cfg, "process")
    if cfg.exported or cfg.init_from:
        raise InputError("exported= and init_from= mean nothing here: ckpt_path= or anchors= says what is timed")
    how = made(cfg, "latency")
    net = create_net(cfg)
    if cfg.ckpt_path:
        load_evaluated(net, cfg.ckpt_path, cfg.recalled_from)
    with progress() as told:
        net.latency = measure_latency(net, how, told)
    rows, anchors = net.rows or stitch_rows(stitch_costs(net)), [stitch.id for stitch in net.space.anchors]
    net.rows = with_latency(rows, net.latency)
    directory = Path(cfg.trainer.default_root_dir)
    write_latency(net.latency, directory / LATENCY)
    page = report(net.rows, anchors, directory, timed_on=net.latency.in_words)
    for logger in instantiate(cfg.logger).values() if net.rows[0].acc1 is not None else ():
        if hasattr(logger, "log_stitches"):
            logger.log_stitches(net.rows, anchors, page)
    if cfg.ckpt_path and holds_network(Path(cfg.ckpt_path)):
        kept = cast("SNNet", load(cfg.ckpt_path))  # as it is, whatever the command line says of what was timed
        if kept.description.input_size == net.description.input_size:
            kept.rows, kept.latency = net.rows, net.latency
            save_latency(kept, Path(cfg.ckpt_path))
            log.info("latencies are kept with %s", cfg.ckpt_path)
    threads = f", {net.latency.threads} threads" if net.latency.threads else ""
    log.info("on %s%s, %s:", net.latency.device, threads, net.latency.precision)
    for measured in net.latency.batches:
        log.info("batch %d: %s", measured.batch, _in_words(measured))


def _in_words(measured: "BatchLatency") -> str:
    fast, slow = (f(stitch.ms for stitch in measured.stitches) for f in (min, max))
    span = f"{fast:.3g} to {slow:.3g} ms"
    model = measured.model
    if model is None:
        return f"{span}, each of {len(measured.stitches)} stitches timed as a whole"
    return (
        f"{span}, {model.constant_ms:.2g} ms and the sum of the parts; error on {len(model.held_out)} other stitches "
        f"{model.mean_error:.1f} % mean, {model.worst_error:.1f} % worst"
        + ("" if model.rank_correlation is None else f", rank correlation {model.rank_correlation:.3f}")
    )


def main() -> None:
    run(task, recalled_by=["ckpt_path", "exported"])
