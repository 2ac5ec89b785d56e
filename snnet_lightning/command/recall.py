"""What a file says of its network and data, as choices of the configuration groups.

Such a choice is like any other: what is typed wins over it, and it wins over what ``conf/`` says. It is made of values
for options that are known here; nothing in a file names what is to be called.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override

from snnet_lightning.command.overrides import overrides_in
from snnet_lightning.errors import InputError

EXPORTED = "exported"
GROUPS = ("anchors", "stitch", "data")
RECALLED = "recalled"  # the name of every choice that is made here
GROUP = "checkpoint"  # its group in the defaults lists, the last of all, so that it wins over experiments
DATA_CHOOSERS = ("data", "experiment", "debug")  # groups whose choice brings other data, but for experiment=none


@contextmanager
def recalled(words: Sequence[str], *options: str) -> Iterator[None]:
    """Offer what the file in an option says to Hydra, for what is composed in the body; nothing where none is named.

    Args:
        words: the command line.
        options: of which the first that is typed counts; ``ckpt_path`` for network and data, ``exported`` for a folder
            of exported stitches, ``init_from`` for the network alone.

    Raises:
        InputError: the file cannot be read, or says what no network is.
    """
    typed = overrides_in(words)
    named = {option: path for option in options if (path := _value_of(typed, option)) is not None}
    store = ConfigStore.instance()
    try:
        for option, path in [*named.items()][:1]:
            for group, name, node in _choices(typed, option, str(path)):
                store.store(group=group, name=RECALLED, node=node, package=name)
        yield
    finally:
        for group in (GROUP, *GROUPS):
            store.repo.get(group, {}).pop(f"{RECALLED}.yaml", None)


def _choices(typed: Sequence[Override], option: str, path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Group, package and content of every choice that a file makes."""
    from snnet_lightning.checkpoint_file import description_in, read_checkpoint
    from snnet_lightning.checkpoints.load import says_nothing
    from snnet_lightning.checkpoints.released import is_released, low_rank_of, rule_of
    from snnet_lightning.description import KEY
    from snnet_lightning.network_folder import read_export
    from snnet_lightning.stitch import PairedRule

    where = f"{option}={path}"
    content = {KEY: read_export(Path(path), where)[0]} if option == EXPORTED else read_checkpoint(path, where)
    description = description_in(content, where)
    chosen = {override.key_or_group for override in typed if str(override.value()) != "none"}
    groups: dict[str, dict[str, Any]] = {}
    if description is None:
        if not chosen & {"anchors", "experiment"}:
            raise InputError(f"{where}: {says_nothing(content, where)}; add anchors=...")
        released = is_released(content)
        values = {"net": {"low_rank": low_rank_of(content["model"])}} if released else {}
        if released and isinstance(rule := rule_of(content, stages=1), PairedRule):
            groups["stitch"] = _node(rule)
    else:
        groups["stitch"] = _node(description.stitch)
        groups["anchors"] = _anchors(description)
        values = {"net": {"low_rank": description.layers.low_rank}}
        if "anchors" not in chosen:  # once more, for experiments and debug say values of anchors too
            values["anchors"] = groups["anchors"]
        measured = option in ("ckpt_path", EXPORTED) and _value_of(typed, "accuracy") is not False
        if measured and not chosen & set(DATA_CHOOSERS):
            groups["data"] = _data(content, where)
            if not groups["data"] and any(key.startswith("data.") for key in chosen):
                raise unknown_data(where)
    if "net" in chosen:
        values.pop("net", None)
    yield from ((group, group, node) for group, node in groups.items())
    defaults = [{f"override /{group}": RECALLED} for group in groups]
    yield GROUP, "_global_", {"defaults": [*defaults, "_self_"], **values, "recalled_from": path}


def unknown_data(where: str) -> InputError:
    """What to tell where a file's own data are wanted, and it does not say them."""
    return InputError(f"{where}: does not say which data it was trained on: add data=...")


def _anchors(description: Any) -> dict[str, Any]:
    from snnet_lightning.anchors.family import AnchorFamily

    node = _node(AnchorFamily.of(description))
    del node["class_names"]  # which are those of the data
    return node | {"preprocessing": description.as_data()["preprocessing"]}


def _node(options: Any) -> dict[str, Any]:
    """What a dataclass is made from."""
    return {"_target_": _name_of(type(options)), **asdict(options)}


def _data(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The data of the training: values for one of the choices that are known here; nothing if it does not say them."""
    from snnet_lightning.data import KINDS, JpegDigitsDataModule
    from snnet_lightning.description import plain

    kind = next((kind for kind in KINDS if kind.__qualname__ in content), None)
    given = content.get(kind.CHECKPOINT_HYPER_PARAMS_KEY) if kind else None
    if kind is None or not isinstance(given, Mapping):
        return {}
    known = signature(kind).parameters
    try:
        values = plain({key: value for key, value in given.items() if key in known})
    except ValueError as error:
        raise InputError(f"{where}: says what no data can be: {error}; add data=...") from error
    if values.get("reader"):  # some run code by the name of a data set, others hand addresses to a shell
        raise InputError(
            f"{where}: was trained on data that no file may choose (data.reader={values['reader']}); if you trust "
            f"them, add data=imagefolder data.reader={values['reader']} data.root={values.get('root')}"
        )
    wired = {
        "input_size": "anchors.input_size",
        "anchors": "anchors.names",
        "anchors_preprocessing": "anchors.preprocessing",
        "seed": "seed",
    }
    if kind is JpegDigitsDataModule:  # which writes there
        wired["root"] = "hydra:runtime.output_dir"
    defaults = {key: parameter.default for key, parameter in known.items() if parameter.default is not parameter.empty}
    values = defaults | values | {key: f"${{{source}}}" for key, source in wired.items() if key in known}
    if kind is JpegDigitsDataModule:
        values["root"] += "/jpeg_digits"
    return {"_target_": _name_of(kind), **values}


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _value_of(typed: Sequence[Override], key: str) -> Any:
    """What was typed for ``key`` last, of several to sweep over the first; None if nothing."""
    override = next((override for override in reversed(typed) if override.key_or_group == key), None)
    if override is None:
        return None
    value: Any = override.value()
    if override.is_choice_sweep():
        value = value.list[0]
    return getattr(value, "text", value)
