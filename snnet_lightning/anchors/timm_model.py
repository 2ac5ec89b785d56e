"""From a timm name to a model with weights, in one line of error where that cannot be."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from inspect import signature
from typing import Any

import timm
import torch
from torch import nn

from snnet_lightning.anchors import digits  # noqa: F401  (registers the digits family with timm)
from snnet_lightning.anchors.weights import load_weights
from snnet_lightning.errors import InputError

log = logging.getLogger(__name__)

PRETRAINED = "pretrained"  # what timm has published for the model
RANDOM = "random"
# Of timm.create_model, and not of a model: where weights come from must not slip in with a model's own arguments.
OURS = {name for name, p in signature(timm.create_model).parameters.items() if p.kind != p.VAR_KEYWORD} | {
    "num_classes",
    "in_chans",
}
# What a model raises for a keyword that it does not have, or a value that it does not understand.
WRONG_KWARGS = (TypeError, AssertionError, ValueError, LookupError, ArithmeticError)


@dataclass(frozen=True)
class Options:
    """The options that an error points at: those of the model's name, weights and keyword arguments."""

    name: str
    weights: str
    kwargs: str


def require_known(timm_name: str, options: Options) -> None:
    """Check that timm has this model; a pretrained tag may follow a dot, as in timm.

    Raises:
        InputError: it has no such model or tag.
    """
    if not timm.is_model(timm_name):
        close = get_close_matches(timm_name.split(".")[0], timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see timm.list_models()"
        raise InputError(f"{options.name}: timm has no model {timm_name!r}; {hint}")
    architecture, _, tag = timm_name.partition(".")
    tags = [name.partition(".")[2] for name in timm.list_models(f"{architecture}.*", include_tags=True)]
    if tag and tag not in tags:
        raise InputError(
            f"{options.name}: timm's {architecture!r} has no pretrained tag {tag!r}; it has {', '.join(tags) or 'none'}"
        )


def create_model(
    timm_name: str,
    input_size: tuple[int, int, int],
    num_classes: int,
    weights: str | None,
    kwargs: Mapping[str, Any],
    options: Options,
    new_heads: bool = False,
    alias: str | None = None,
    class_names: Sequence[str] | None = None,
) -> nn.Module:
    """Make a timm model for images (channels, height, width) of ``input_size``.

    Args:
        weights: ``pretrained``, ``random`` (warned of), or the path of a timm file or of a checkpoint of ours; None
            loads nothing, silently.
        kwargs: of ``timm.create_model``.
        new_heads: keep random classifiers where those of a file are for other classes.
        alias: the anchor's name in a checkpoint of ours, beside its timm name.
        class_names: what the model is to tell apart, if known.

    Raises:
        InputError: keyword arguments or an image size that the model does not take, or weights that cannot be had or do
            not fit.
    """
    taken = sorted(OURS & kwargs.keys())
    if taken:
        raise InputError(f"{options.kwargs}.{taken[0]}: is said elsewhere; weights come from {options.weights}")
    make = partial(timm.create_model, timm_name, num_classes=num_classes, in_chans=input_size[0])
    size = _size_argument(timm_name, input_size)
    try:
        model: Any = make(pretrained=weights == PRETRAINED, **size | dict(kwargs))
    except WRONG_KWARGS as error:
        option = f"{options.kwargs} of {timm_name}"
        if size and _works(make, kwargs):
            option = f"anchors.input_size=[{','.join(map(str, input_size))}]: {timm_name}"
        raise InputError(f"{option}: {error or type(error).__name__}") from error
    except (OSError, RuntimeError) as error:
        if weights != PRETRAINED and kwargs:
            raise InputError(f"{options.kwargs} of {timm_name}: {' '.join(str(error).split())}") from error
        if weights != PRETRAINED:
            raise
        reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:2]) or type(error).__name__
        raise InputError(
            f"{timm_name}: its pretrained weights could not be had, or do not fit {options.kwargs} ({reason}); "
            f"give a local file or {options.weights}=random"
        ) from error
    except Exception as error:  # whatever a model makes of arguments that it does not check
        if not kwargs:
            raise
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{options.kwargs} of {timm_name}: {words}") from error
    if weights == RANDOM:
        log.warning("%s has random weights: its accuracy is chance until it is trained", timm_name)
    renewed = weights == PRETRAINED and num_classes != model.pretrained_cfg.get("num_classes", num_classes)
    if weights not in (PRETRAINED, RANDOM, None):
        names = (timm_name, alias or timm_name)
        renewed = load_weights(model, weights, options.weights, new_heads, names, class_names)
    if renewed:
        log.info("%s has a new, random head for %d classes", timm_name, num_classes)
    return model


def _works(make: Callable[..., nn.Module], kwargs: Mapping[str, Any]) -> bool:
    """Whether the model can be made with these keyword arguments alone."""
    try:
        with torch.device("meta"):
            make(**kwargs)
    except WRONG_KWARGS:
        return False
    return True


def _size_argument(timm_name: str, input_size: tuple[int, int, int]) -> dict[str, Any]:
    """``img_size`` for a model that is built for one image size, where that is not the one it will get."""
    known = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
    if known is None or not known.fixed_input_size or tuple(known.input_size) == tuple(input_size):
        return {}
    return {"img_size": tuple(input_size[1:])}
