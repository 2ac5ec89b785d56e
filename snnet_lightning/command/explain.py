"""One line that says what is wrong and what would be right; for wrong input only."""

from difflib import get_close_matches
from typing import Any

from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, ListConfig
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException
from pydantic import ValidationError

from snnet_lightning.checked import explain as explain_check
from snnet_lightning.command.known_keys import choices_of, known_keys
from snnet_lightning.errors import RunError


def explain(error: BaseException, cfg: DictConfig | None = None) -> str | None:
    """What to tell a user; None for what no user can put right, which keeps its traceback.

    Args:
        cfg: the composed configuration, its interpolations not resolved yet; None: there is none yet.
    """
    told = next((e for e in _causes(error) if isinstance(e, RunError)), None)
    if told is not None:
        return _in_one_line(told)
    missing = next((e for e in _causes(error) if isinstance(e, MissingMandatoryValue)), None)
    if missing is not None:
        return f"{typed_key(cfg, missing.full_key or '')}: has to be said"
    refused = next((e for e in _causes(error) if type(e).__name__ == "MisconfigurationException"), None)
    if refused is not None:  # by Lightning; told by name, for importing it takes seconds
        return f"{_node(error) or 'trainer'}: {_in_one_line(refused)}"
    if isinstance(error, InstantiationException):
        return _explain_instantiation(error, cfg)
    if isinstance(error, MissingConfigException) and error.options:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return f"{group}={choice}: there is no such choice; there are {', '.join(error.options)}"
    if isinstance(error, OverrideParseException):
        return f"cannot read the override {error.override!r}: it must be key=value"
    if isinstance(error, InterpolationResolutionError) and error.child_node is not None:
        why = _in_one_line(error).partition(" full_key: ")[0]
        return f"{error.full_key}={error.child_node._value()}: {why}"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _explain_composition(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, ValueError):
        if cfg is None and _raiser(error) in ("hydra", "omegaconf"):
            return _in_one_line(error)
        if _raiser(error) == "lightning":
            return f"trainer: {_in_one_line(error)}"
    return None


def _node(error: BaseException) -> str:
    """The key of the node that was being made when an error came."""
    _, told, key = str(error).rpartition("full_key: ")
    return key.strip() if told and isinstance(error, InstantiationException) else ""


def _raiser(error: BaseException) -> str:
    """The package that an error without a type of its own was raised in."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return module.split(".")[0]


def _explain_instantiation(error: InstantiationException, cfg: DictConfig | None) -> str | None:
    text, node = str(error), _node(error)
    if isinstance(error.__cause__, ValidationError):
        key, given, right = explain_check(error.__cause__)
        full = typed_key(cfg, ".".join(filter(None, (node, key))))
        shown = "" if right in ("it is missing", "there is no such option") else f"={_as_typed(given)}"
        return f"{full}{shown}: {right}"
    if text.startswith("Error in call to target"):  # whatever it was, it was not the input
        return None
    if text.startswith("Error locating target '"):
        lost = isinstance(_causes(error)[-1], ModuleNotFoundError | AttributeError)  # else what was found is broken
        return f"{node}._target_={text.split(chr(39))[1]}: there is no such class or function" if lost else None
    return _in_one_line(error)


def typed_key(cfg: DictConfig | None, key: str) -> str:
    """The key that the value at ``key`` is taken from: ``seed`` for ``data.seed``, which is ``${seed}``.

    Args:
        cfg: the configuration, its interpolations not resolved yet.
    """
    node: Any = cfg
    typed: list[str] = []
    for word in key.split("."):
        found = node._select_impl(word, False, False) if isinstance(node, DictConfig | ListConfig) else [None]
        parent, node = node, found[-1]
        elsewhere = node is not None and node._get_parent() is not parent
        typed = [node._get_full_key(None)] if elsewhere else [*typed, word]
    return ".".join(typed)


def _as_typed(value: object) -> str:
    """A value as it would stand on the command line, shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value!s:.80}"


def _explain_composition(error: Exception) -> str:
    text = _in_one_line(error)
    if "Could not override '" in text:
        key = text.split("Could not override '")[1].split("'")[0]
        group, known = key.split(".")[0], known_keys()
        if group == "hydra":
            return f"the configuration has no key {key!r}; --cfg hydra lists them all"
        if group not in known and choices_of(group):  # one that is nothing unless chosen
            choices = " or ".join(choices_of(group))
            return f"the configuration has no key {key!r}; what {group} has, it has by {group}={choices}"
        parent = key if key in known else key.rpartition(".")[0]
        if isinstance(known.get(parent), DictConfig) and not known[parent]:
            return f"{key}: there is nothing in {parent} yet that could be changed; +{parent}.NAME=VALUE adds to it"
        close = get_close_matches(key, known, n=3, cutoff=0.5)
        return f"the configuration has no key {key!r}; " + (
            f"did you mean {' or '.join(close)}?" if close else "--cfg job lists them all"
        )
    if text.startswith("Error merging override") and error.__cause__:
        text += f": {_in_one_line(error.__cause__)}"
    return text


def _causes(error: BaseException | None) -> "list[BaseException]":
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__  # not what was handled when it came
    return found


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
