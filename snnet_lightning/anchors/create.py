"""From a configuration to anchors: timm names, keyword arguments, and where the weights come from."""

import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

import timm
import torch

from snnet_lightning.anchors import digits  # noqa: F401  (registers the digits family with timm)
from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.families import adapter_for
from snnet_lightning.anchors.weights import load_weights
from snnet_lightning.errors import InputError

log = logging.getLogger(__name__)

PRETRAINED = "pretrained"  # what timm has published for the model
RANDOM = "random"
CHECKPOINT = "checkpoint"  # nothing is loaded here, since a checkpoint of the whole SN-Net follows


def create_anchors(
    names: Sequence[str],
    input_size: tuple[int, int, int],
    num_classes: int,
    weights: str | Sequence[str] = PRETRAINED,
    kwargs: Mapping[str, Any] | None = None,
    kwargs_each: Sequence[Mapping[str, Any]] | None = None,
    new_heads: bool = False,
) -> list[Anchor]:
    """Make the anchors of an SN-Net, in order of complexity.

    Args:
        names: timm model names; a pretrained tag may follow a dot, as in timm.
        input_size: (channels, height, width) of an image.
        num_classes: classes of every anchor's head.
        weights: ``pretrained``, ``random``, ``checkpoint`` or the path of a local file; one for all, or one an anchor.
        kwargs: keyword arguments of ``timm.create_model`` for every anchor.
        kwargs_each: further ones, a mapping an anchor.
        new_heads: make new classifiers where those of a local file are for another number of classes; timm does so by
            itself for its pretrained weights.

    Raises:
        InputError: fewer than two names, an unknown or unsupported model, or weights that do not fit.
    """
    if isinstance(names, str) or len(names) < 2:
        raise InputError(f"anchors.names={names}: an SN-Net needs at least two anchors")
    weights = [weights] * len(names) if isinstance(weights, str) else weights
    kwargs_each = [{}] * len(names) if kwargs_each is None else kwargs_each
    for option, values in (("weights", weights), ("kwargs_each", kwargs_each)):
        if len(values) != len(names):
            raise InputError(f"anchors.{option} has {len(values)} entries for {len(names)} anchors: {', '.join(names)}")
    created = [
        create_anchor(timm_name, short, input_size, num_classes, source, {**(kwargs or {}), **own}, new_heads)
        for timm_name, short, source, own in zip(names, short_names(names), weights, kwargs_each, strict=True)
    ]
    renewed = [anchor.name for anchor, has_new_head in created if has_new_head]
    if renewed:
        log.info("new random heads for %d classes: %s", num_classes, ", ".join(renewed))
    return [anchor for anchor, _ in created]


def create_anchor(
    timm_name: str,
    name: str,
    input_size: tuple[int, int, int],
    num_classes: int,
    weights: str,
    kwargs: Mapping[str, Any],
    new_heads: bool,
) -> tuple[Anchor, bool]:
    """One anchor, and whether its head is new beside a body that is not; arguments and errors of ``create_anchors``."""
    if not timm.is_model(timm_name):
        close = get_close_matches(timm_name.split(".")[0], timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see timm.list_models()"
        raise InputError(f"anchors.names: timm has no model {timm_name!r}; {hint}")
    architecture, _, tag = timm_name.partition(".")
    tags = [name.partition(".")[2] for name in timm.list_models(f"{architecture}.*", include_tags=True)]
    if tag and tag not in tags:
        raise InputError(
            f"anchors.names: timm's {architecture!r} has no pretrained tag {tag!r}; it has {', '.join(tags) or 'none'}"
        )
    arguments = {**_size_argument(timm_name, input_size), **kwargs}
    create = partial(timm.create_model, timm_name, num_classes=num_classes, in_chans=input_size[0], **arguments)
    try:
        if weights == PRETRAINED:
            with torch.device("meta"):  # costs next to nothing, so that nothing is downloaded for a model to be refused
                adapter_for(create(), timm_name)
        model = create(pretrained=weights == PRETRAINED)
    except (TypeError, AssertionError) as error:  # a keyword that the model's class does not have, or a wrong value
        raise InputError(f"anchors.kwargs of {timm_name}: {error}") from error
    except (OSError, RuntimeError) as error:
        if weights != PRETRAINED:
            raise
        reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:2]) or type(error).__name__
        raise InputError(
            f"{timm_name}: its pretrained weights could not be had, or do not fit anchors.kwargs ({reason}); "
            "give a local file or anchors.weights=random"
        ) from error
    adapter = adapter_for(model, timm_name)
    if weights == RANDOM:
        log.warning("%s has random weights: its accuracy is chance until it is trained", timm_name)
    has_new_head = weights == PRETRAINED and num_classes != model.pretrained_cfg.get("num_classes", num_classes)
    if weights not in (PRETRAINED, RANDOM, CHECKPOINT):
        has_new_head = load_weights(model, weights, new_heads)
    return adapter(name, model, input_size), has_new_head


def short_names(timm_names: Sequence[str]) -> list[str]:
    """Names for people: ``deit_tiny_patch16_224`` -> ``deit_tiny``; the full names where that is ambiguous."""
    short = [name.split(".")[0].split("_patch")[0] for name in timm_names]
    if len(set(short)) == len(short):
        return short
    if len(set(timm_names)) == len(timm_names):
        return list(timm_names)
    return [f"{name}#{i}" for i, name in enumerate(timm_names)]


def _size_argument(timm_name: str, input_size: tuple[int, int, int]) -> dict[str, Any]:
    """``img_size`` for a model that is built for one image size, where that is not the one it will get."""
    known = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
    if known is None or not known.fixed_input_size or tuple(known.input_size) == tuple(input_size):
        return {}
    return {"img_size": tuple(input_size[1:])}
