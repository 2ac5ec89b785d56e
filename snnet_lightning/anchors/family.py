"""A family of anchors as an option: timm names, keyword arguments, and where the weights come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, cast

from pydantic import Field, PositiveInt

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.create import create_anchor
from snnet_lightning.anchors.timm_model import PRETRAINED
from snnet_lightning.description import Alias, AnchorDescription, Description, PlainDict, Preprocessing
from snnet_lightning.errors import InputError

CHECKPOINT = "checkpoint"  # nothing is loaded, since a checkpoint of the whole SN-Net follows


@dataclass(frozen=True)
class AnchorFamily:
    """The anchors of an SN-Net, in order of complexity.

    Args:
        names: timm model names; a pretrained tag may follow a dot, as in timm.
        input_size: (channels, height, width) of an image.
        num_classes: classes of every anchor's head; None: as many as the data has.
        weights: ``pretrained``, ``random``, ``checkpoint``, or the path of a timm file or of a checkpoint of ours; one
            for all, or one an anchor.
        kwargs: keyword arguments of ``timm.create_model`` for every anchor.
        kwargs_each: further ones, a mapping an anchor.
        new_heads: make new classifiers where those of a file are for another number of classes, or for classes of other
            names; timm does so by itself for another number and its pretrained weights.
        aliases: names for people, used in the names of stitches; None: the timm names, shortened.
        preprocessing: how they want their images; None: as their timm configurations say.
        class_names: of the data, if known.

    Raises:
        InputError: lists of another length than ``names``.
    """

    names: Annotated[tuple[str, ...], Field(min_length=2)]
    input_size: tuple[PositiveInt, PositiveInt, PositiveInt]
    num_classes: PositiveInt | None
    weights: str | tuple[str, ...] = PRETRAINED
    kwargs: PlainDict = field(default_factory=dict)
    kwargs_each: tuple[PlainDict, ...] | None = None
    new_heads: bool = False
    aliases: tuple[Alias, ...] | None = None
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] | None = None

    def __post_init__(self):
        for option in ("weights", "kwargs_each", "aliases"):
            values = getattr(self, option)
            if values is not None and not isinstance(values, str) and len(values) != len(self.names):
                names = ", ".join(self.names)
                raise InputError(f"anchors.{option} has {len(values)} entries for {len(self.names)} anchors: {names}")

    @classmethod
    def of(cls, description: Description) -> "AnchorFamily":
        """The anchors of a network that was described, without weights."""
        return cls(
            names=tuple(anchor.name for anchor in description.anchors),
            input_size=description.input_size,
            num_classes=description.num_classes,
            weights=CHECKPOINT,
            kwargs_each=tuple(anchor.kwargs for anchor in description.anchors),
            aliases=tuple(anchor.alias for anchor in description.anchors),
            preprocessing=description.preprocessing,
        )

    @cached_property
    def described(self) -> tuple[AnchorDescription, ...]:
        """What a description says of them."""
        each: Sequence[Mapping[str, Any]] = self.kwargs_each or [{}] * len(self.names)
        aliases = self.aliases or short_names(self.names)
        return tuple(
            AnchorDescription(name=name, alias=alias, kwargs={**self.kwargs, **own})
            for name, alias, own in zip(self.names, aliases, each, strict=True)
        )

    def create(self) -> list[Anchor]:
        """Make them.

        Raises:
            InputError: an unknown or unsupported model, weights that do not fit, or nobody said how many classes.
        """
        if self.num_classes is None:
            raise InputError("anchors.num_classes must be said, for there is no data that would have classes")
        sources = [self.weights] * len(self.names) if isinstance(self.weights, str) else self.weights
        return [
            create_anchor(
                anchor,
                self.input_size,
                self.num_classes,
                None if source == CHECKPOINT else source,
                self.new_heads,
                self.class_names,
            )
            for anchor, source in zip(self.described, sources, strict=True)
        ]


def create_anchors(
    names: Sequence[str],
    input_size: Sequence[int],
    num_classes: int,
    weights: str | Sequence[str] = PRETRAINED,
    kwargs: Mapping[str, Any] | None = None,
    kwargs_each: Sequence[Mapping[str, Any]] | None = None,
    new_heads: bool = False,
) -> list[Anchor]:
    """Make anchors; arguments and errors as of ``AnchorFamily``."""
    each = None if kwargs_each is None else tuple(map(dict, kwargs_each))
    weights = weights if isinstance(weights, str) else tuple(weights)
    size = cast("tuple[int, int, int]", tuple(input_size))
    family = AnchorFamily(tuple(names), size, num_classes, weights, dict(kwargs or {}), each, new_heads)
    return family.create()


def short_names(timm_names: Sequence[str]) -> list[str]:
    """Names for people: ``deit_tiny_patch16_224`` -> ``deit_tiny``; the full names where that is ambiguous."""
    short = [name.split(".")[0].split("_patch")[0] for name in timm_names]
    if len(set(short)) == len(short):
        return short
    if len(set(timm_names)) == len(timm_names):
        return list(timm_names)
    return [f"{name}#{i}" for i, name in enumerate(timm_names)]
