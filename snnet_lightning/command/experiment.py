"""Whether the experiment is meant for what it would train."""

from collections.abc import Iterable, Mapping

from snnet_lightning.command.overrides import overrides_in
from snnet_lightning.errors import InputError


def require_experiment_of_anchors(typed: Iterable[str], choices: Mapping[str, str | None]) -> None:
    """Refuse other anchors under the rates and the length of an experiment that nobody asked for.

    An experiment has the name of its anchors.

    Args:
        typed: the overrides of the command line.
        choices: what was chosen of every configuration group.

    Raises:
        InputError: ``anchors=`` or ``init_from=`` was typed, ``experiment=`` was not, and the default experiment is for
            other anchors.
    """
    anchors, experiment = choices.get("anchors"), choices.get("experiment", "none")
    groups = {override.key_or_group for override in overrides_in(typed)}
    other = [group for group in ("anchors", "init_from") if group in groups]
    if anchors is None or experiment in ("none", anchors) or "experiment" in groups or not other:
        return
    what = f"anchors={anchors}" if other[0] == "anchors" else "the network of init_from"
    raise InputError(
        f"{what} would be trained as experiment={experiment}, the default: "
        "add experiment=none for the plain settings, or a published experiment (--help lists them)"
    )
