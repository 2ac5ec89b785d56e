"""From options, or from a description, to the network."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import PositiveInt

from snnet_lightning.anchors.family import AnchorFamily
from snnet_lightning.description import Description, Preprocessing, Rank
from snnet_lightning.errors import InputError
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch import StitchRule


def build(description: Description) -> SNNet:
    """The network that was described, without its weights.

    Raises:
        InputError: an unknown model, or a rule that does not fit the anchors.
    """
    return SNNet(
        AnchorFamily.of(description).create(),
        description.stitch,
        description.layers.low_rank,
        description.preprocessing,
        description.class_names,
    )


def create_net(
    anchors: AnchorFamily,
    rule: StitchRule,
    low_rank: Rank | None = None,
    activation_checkpointing: bool = False,
    freeze_anchors: bool = False,
    compile_parts: bool = False,
    channels_last: bool = False,
    split_batchnorm: bool = False,
    drop_path: Literal["linear", "constant"] = "linear",
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
    num_classes: PositiveInt | None = None,
) -> SNNet:
    """The network of a configuration.

    Args:
        preprocessing: of the images that it will see; None: as the anchors have it said.
        num_classes: of the data that it will see; None: it will see none.

    Raises:
        InputError: other classes than the anchors' heads have, an unknown model, weights that do not fit, or a rule
            that does not fit the anchors.
    """
    if anchors.num_classes is None:
        anchors = replace(anchors, num_classes=num_classes)
    if num_classes is not None and num_classes != anchors.num_classes:
        raise InputError(
            f"the data has {num_classes} classes, but the anchors' heads have {anchors.num_classes}: "
            f"anchors.num_classes={num_classes} makes heads for them"
        )
    return SNNet(
        replace(anchors, class_names=tuple(class_names) if class_names else None).create(),
        rule,
        low_rank,
        preprocessing or anchors.preprocessing,
        class_names,
        activation_checkpointing=activation_checkpointing,
        freeze_anchors=freeze_anchors,
        compile_parts=compile_parts,
        channels_last=channels_last,
        split_batchnorm=split_batchnorm,
        drop_path=drop_path,
    )
