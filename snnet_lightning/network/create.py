"""From options to a description, and from a description to the network: the one road there is."""

from collections.abc import Sequence
from typing import Any

from pydantic import PositiveInt

from snnet_lightning.anchors.family import CHECKPOINT, AnchorFamily
from snnet_lightning.description import Description, LayersDescription, Preprocessing, Rank
from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch import Space


def describe(
    anchors: AnchorFamily,
    space: Space,
    low_rank: int | None = None,
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
) -> Description:
    """What network these options ask for.

    Args:
        preprocessing: of the images that it will see; None: as the anchors have it said.
    """
    return Description(
        anchors=anchors.described,
        input_size=anchors.input_size,
        num_classes=anchors.num_classes,
        stitch=space,
        layers=LayersDescription(low_rank=low_rank),
        preprocessing=preprocessing or anchors.preprocessing,
        class_names=class_names,
    )


def build(
    description: Description, weights: str | Sequence[str] = CHECKPOINT, new_heads: bool = False, **options: Any
) -> SNNet:
    """The network that was described.

    Args:
        weights, new_heads: of the anchors, as in ``AnchorFamily``; ``checkpoint`` loads none.
        options: of ``SNNet``, which change how it trains and not what it computes.

    Raises:
        InputError: an unknown model, weights that do not fit, or a space that does not fit the anchors.
    """
    return SNNet(
        AnchorFamily.of(description, weights, new_heads).create(),
        description.stitch,
        description.layers.low_rank,
        description.preprocessing,
        description.class_names,
        **options,
    )


def create_net(
    anchors: AnchorFamily,
    space: Space,
    low_rank: Rank | None = None,
    activation_checkpointing: bool = False,
    freeze_anchors: bool = False,
    compile_parts: bool = False,
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
    num_classes: PositiveInt | None = None,
) -> SNNet:
    """The network of a configuration.

    Args:
        num_classes: of the data that it will see; None: it will see none.

    Raises:
        InputError: other classes than the anchors' heads have; otherwise as of ``build``.
    """
    if num_classes is not None and num_classes != anchors.num_classes:
        raise InputError(
            f"the data has {num_classes} classes, but the anchors' heads have {anchors.num_classes}: "
            f"anchors.num_classes={num_classes} makes heads for them"
        )
    return build(
        describe(anchors, space, low_rank, preprocessing, class_names),
        anchors.weights,
        anchors.new_heads,
        activation_checkpointing=activation_checkpointing,
        freeze_anchors=freeze_anchors,
        compile_parts=compile_parts,
    )
