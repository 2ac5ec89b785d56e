"""Weights & Biases: curves, the nested configuration, the table of all stitches, checkpoints."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import OmegaConf

from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import Row, front_rows, known
from snnet_lightning.first_process import is_first_process
from snnet_lightning.logger.keys import DRAWN, FRONTS, PAGE, STEP, TABLE
from snnet_lightning.stitch.route import stitch_kind

CHECKPOINTS = ("best", "last")  # files without .ckpt, and the aliases of their artifact versions


class StitchWandbLogger(WandbLogger):
    """One W&B run a job. It starts here and is finished by ``command.job``, which knows how the job ended.

    Curves have ``trainer/global_step`` as their axis; the Pareto fronts have FLOPs and milliseconds.

    Args:
        save_dir: where W&B's own directory ``wandb`` goes.
        project: of W&B.
        name: of the run; None: W&B makes one up.
        group: what the runs of a sweep share; None: no group.
        job_type: what kind of job the run is.
        offline: write to ``save_dir`` only; ``wandb sync`` uploads it later. ``WANDB_MODE`` is heard too.
        log_model: keep ``best.ckpt`` and ``last.ckpt`` as versions of an artifact after training.
        checkpoint_directory: where they are.
        config_file: the run's resolved configuration, to be logged as nested values.
        overrides: what was typed on the command line, logged beside it.
        resumed_from: checkpoint that the job goes on from; not None: go on with the W&B run of ``save_dir``, if any.

    Raises:
        InputError: W&B cannot start a run.
    """

    def __init__(
        self,
        save_dir: str,
        project: str,
        name: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        offline: bool = False,
        log_model: bool = False,
        checkpoint_directory: str | None = None,
        config_file: str | None = None,
        overrides: Sequence[str] = (),
        resumed_from: str | None = None,
    ):
        super().__init__(
            name=name,
            save_dir=save_dir,
            project=project,
            id=last_run_id(Path(save_dir)) if resumed_from is not None else None,
            group=group,
            job_type=job_type,
            # WandbLogger's own offline=True would stay in the environment for a sweep's next job, and refuse log_model.
            mode="offline" if offline else None,
            settings=wandb.Settings(quiet=True),  # where the run is, without its curves drawn in the terminal
            # Only the first process has a run, and only it has written the file.
            config=_read_config(config_file) | {"overrides": list(overrides)} if is_first_process() else None,
        )
        self._drawn: set[str] = set()
        self._wandb_init.pop("anonymous", None)  # W&B warns of it, whatever it is
        self.checkpoint_directory = Path(checkpoint_directory) if log_model and checkpoint_directory else None
        if is_first_process():
            # Now, for if it fails, it is to fail before other processes are started that would wait for this one.
            _ = self.experiment

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The W&B run; one that does nothing on all processes but the first."""
        if self._experiment is not None:
            return self._experiment
        try:
            run = super().experiment
        except wandb.Error as error:
            raise InputError(
                f"logger=wandb cannot start a run: {str(error).rstrip('.')}; "
                "logger.wandb.offline=true needs neither `wandb login` nor the network"
            ) from error
        for front_cost, front_accuracy in FRONTS.values():
            run.define_metric(front_cost, summary="none", hidden=True)
            run.define_metric(front_accuracy, step_metric=front_cost, summary="none")
        return run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        # No panel, and no column in the table of runs, for every single stitch. W&B lets the pattern * prevail over
        # one of these, so each is named.
        for name in [name for name in metrics if name.startswith(f"{DRAWN}/") and name not in self._drawn]:
            self._drawn.add(name)
            self.experiment.define_metric(name, step_metric=STEP, summary="none", hidden=True)
        super().log_metrics(metrics, step)

    @rank_zero_only
    def log_stitches(self, rows: Sequence[Row], anchors: Sequence[int], page: Path) -> None:
        """Log all stitches as a table, the page, and the Pareto fronts as curves over FLOPs and latency.

        Args:
            rows: the stitches, with accuracies.
            anchors: ids of those that are single anchors.
            page: the evaluation's ``report.html``.
        """
        fronts = {cost: front_rows(rows, cost) for cost in FRONTS if getattr(rows[0], cost) is not None}
        lines = [table_row(row, on_front=row in fronts["flops"], anchor=row.id in anchors) for row in rows]
        table = wandb.Table(columns=list(lines[0]), data=[list(line.values()) for line in lines])
        # As it is: W&B's own style sheet would be fetched, and change the page's.
        self.experiment.log({TABLE: table, PAGE: wandb.Html(page, inject=False)})
        for cost, front in fronts.items():
            front_cost, front_accuracy = FRONTS[cost]
            for row in front:
                self.experiment.log({front_cost: getattr(row, cost), front_accuracy: row.acc1})

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Log the checkpoints that are new; Lightning calls this after training, and after the evaluation again."""
        if status != "success" or self.checkpoint_directory is None:
            return
        for alias in CHECKPOINTS:
            path = self.checkpoint_directory / f"{alias}.ckpt"
            if not path.is_file() or self._logged_model_time.get(alias) == path.stat().st_mtime:
                continue
            self._logged_model_time[alias] = path.stat().st_mtime
            artifact = wandb.Artifact(f"model-{self.experiment.id}", type="model", metadata={"file": path.name})
            artifact.add_file(str(path), name="model.ckpt")
            self.experiment.log_artifact(artifact, aliases=[alias])


def table_row(row: Row, on_front: bool, anchor: bool) -> dict[str, Any]:
    """The columns of the table for one stitch: what ``stitches.jsonl`` has, and what W&B can group and filter by."""
    return {
        "id": row.id,
        "name": row.name,
        "anchors": stitch_kind(row.name),
        "gflops": row.flops / 1e9,
        **{key: value for key, value in known(row).items() if key not in ("id", "name")},
        "on_front": on_front,
        "is_anchor": anchor,
    }


def last_run_id(directory: Path) -> str | None:
    """The id of the latest W&B run, online or offline, that has written in this directory."""
    runs = [(match[1], match[2]) for path in directory.glob("wandb/*") if (match := _RUN.fullmatch(path.name))]
    return max(runs)[1] if runs else None


_RUN = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-(.+)")


def _read_config(path: str | None) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.load(path)) if path else {}
    return content
