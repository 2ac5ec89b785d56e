"""From a configuration to anchors: timm names, keyword arguments, and where the weights come from."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.families import adapter_for
from snnet_lightning.anchors.image_size import require_image_size
from snnet_lightning.anchors.timm_model import PRETRAINED, Options, create_model, require_known
from snnet_lightning.errors import InputError
from snnet_lightning.plain import plain

OPTIONS = Options("anchors.names", "anchors.weights", "anchors.kwargs")
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
        InputError: fewer than two names, an unknown or unsupported model, images that it does not take, or weights that
            do not fit.
    """
    if isinstance(names, str) or len(names) < 2:
        raise InputError(f"anchors.names={names}: an SN-Net needs at least two anchors")
    weights = [weights] * len(names) if isinstance(weights, str) else weights
    kwargs_each = [{}] * len(names) if kwargs_each is None else kwargs_each
    for option, values in (("weights", weights), ("kwargs_each", kwargs_each)):
        if len(values) != len(names):
            raise InputError(f"anchors.{option} has {len(values)} entries for {len(names)} anchors: {', '.join(names)}")
    return [
        create_anchor(timm_name, short, input_size, num_classes, source, {**(kwargs or {}), **own}, new_heads)
        for timm_name, short, source, own in zip(names, short_names(names), weights, kwargs_each, strict=True)
    ]


def create_anchor(
    timm_name: str,
    name: str,
    input_size: tuple[int, int, int],
    num_classes: int,
    weights: str,
    kwargs: Mapping[str, Any],
    new_heads: bool = False,
) -> Anchor:
    """Make one anchor; arguments and errors as of ``create_anchors``."""
    require_known(timm_name, OPTIONS)
    input_size, kwargs = tuple(input_size), plain(kwargs)

    def make(weights: str | None, new_heads: bool = False) -> Anchor:
        model = create_model(timm_name, input_size, num_classes, weights, kwargs, OPTIONS, new_heads)
        anchor = adapter_for(model, timm_name)(name, model, input_size)
        anchor.timm_name, anchor.kwargs = timm_name, kwargs
        require_image_size(anchor)
        return anchor

    if weights == PRETRAINED:
        with torch.device("meta"):  # costs next to nothing, so that nothing is downloaded for a model to be refused
            make(None)
    return make(None if weights == CHECKPOINT else weights, new_heads)


def short_names(timm_names: Sequence[str]) -> list[str]:
    """Names for people: ``deit_tiny_patch16_224`` -> ``deit_tiny``; the full names where that is ambiguous."""
    short = [name.split(".")[0].split("_patch")[0] for name in timm_names]
    if len(set(short)) == len(short):
        return short
    if len(set(timm_names)) == len(timm_names):
        return list(timm_names)
    return [f"{name}#{i}" for i, name in enumerate(timm_names)]
