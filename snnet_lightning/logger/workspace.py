"""A saved W&B workspace for what is logged here: python -m snnet_lightning.logger.workspace ENTITY/PROJECT"""

import sys
from argparse import ArgumentParser
from typing import Any

from snnet_lightning.errors import InputError
from snnet_lightning.logger.keys import DRAWN, FRONT_ACCURACY, FRONT_COST, PAGE, STEP, TABLE

SUMMARY = ["test/acc1", "test/pareto_area", "test/pareto_share", "test/gap"]


def stitch_workspace(entity: str, project: str, name: str = "SN-Net") -> Any:
    """The stitches, how runs compare, and the training, as a workspace that is not saved yet.

    Raises:
        InputError: the package that describes workspaces is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
        from wandb_workspaces import expr
    except ImportError as error:
        raise InputError("a workspace needs W&B's package for it: pip install wandb-workspaces") from error

    def curve(title: str, **of: Any) -> Any:
        return wr.LinePlot(title=title, x=STEP, **of)

    def final(metric: str) -> Any:
        return wr.SummaryMetric(metric)

    stitches = [
        wr.MediaBrowser(title="Stitches", media_keys=[PAGE], num_columns=1),
        wr.LinePlot(title="Pareto front", x=FRONT_COST, y=[FRONT_ACCURACY], title_x="FLOPs", title_y="top-1 (%)"),
        wr.WeavePanelSummaryTable(table_name=TABLE),
    ]
    columns = [wr.Config("model.sampler._target_"), wr.Config("model.optim.lr"), *map(final, SUMMARY)]
    comparison = [
        wr.ScatterPlot(title="Accuracy and gap of the runs", x=final("test/gap"), y=final("test/acc1")),
        wr.BarPlot(title="Area under the Pareto front", metrics=["test/pareto_area"], orientation="h"),
        wr.ParallelCoordinatesPlot(columns=[wr.ParallelCoordinatesPlotColumn(metric=column) for column in columns]),
        wr.RunComparer(diff_only="split"),
    ]
    training = [
        curve("Loss", y=["train/loss"]),
        curve("Loss of each kind of stitch", metric_regex="^train/loss/"),
        curve("Validated top-1 (%)", metric_regex="^val/acc1"),
        curve("Learning rate of each group", metric_regex="^lr/"),
        curve("How often each stitch was drawn", metric_regex=f"^{DRAWN}/"),
    ]
    sections = {"Stitches": stitches, "Runs compared": comparison, "Training": training}
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[ws.Section(name=title, panels=panels, is_open=True) for title, panels in sections.items()],
        runset_settings=ws.RunsetSettings(order=[expr.Ordering(expr.Summary("test/acc1"), ascending=False)]),
    )


def save_workspace(words: list[str]) -> None:
    """Make it, save it, print where it is.

    Raises:
        InputError: the project is not named as ENTITY/PROJECT, or W&B does not take the workspace.
    """
    parser = ArgumentParser(prog="python -m snnet_lightning.logger.workspace", description=__doc__)
    parser.add_argument("project", metavar="ENTITY/PROJECT", help="as in the address of the project's page")
    parser.add_argument("--name", default="SN-Net", help="of the workspace; saving again makes another one")
    options = parser.parse_args(words)
    entity, _, project = options.project.partition("/")
    if not entity or not project or "/" in project:
        raise InputError(f"{options.project}: must be ENTITY/PROJECT, as in the address of the project's page")
    workspace = stitch_workspace(entity, project, options.name)
    try:
        workspace.save()
    except Exception as error:  # of W&B, its client or the network: all of them say what is wrong
        raise InputError(f"W&B did not take the workspace: {type(error).__name__}: {error}") from error
    print(workspace.url)


if __name__ == "__main__":
    try:
        save_workspace(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
