"""From its description to an anchor."""

from collections.abc import Sequence

import timm
import torch

from snnet_lightning.anchors.adapters import adapter_for
from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.image_size import require_image_size
from snnet_lightning.anchors.timm_model import PRETRAINED, Options, create_model, require_known
from snnet_lightning.description import AnchorDescription
from snnet_lightning.errors import InputError

OPTIONS = Options("anchors.names", "anchors.weights", "anchors.kwargs")


def create_anchor(
    described: AnchorDescription,
    input_size: tuple[int, int, int],
    num_classes: int,
    weights: str | None,
    new_heads: bool = False,
    class_names: Sequence[str] | None = None,
) -> Anchor:
    """Make one anchor.

    Args:
        described: its timm name, alias and keyword arguments.
        input_size: (channels, height, width) of an image.
        num_classes: classes of its head.
        weights: ``pretrained``, ``random``, the path of a timm file or of a checkpoint of ours; None loads nothing.
        new_heads: make new classifiers where those of a file are for other classes.
        class_names: what the anchor is to tell apart, if known.

    Raises:
        InputError: an unknown or unsupported model, images that it does not take, or weights that do not fit.
    """
    name, alias = described.name, described.alias
    require_known(name, OPTIONS)

    def make(weights: str | None, new_heads: bool = False) -> Anchor:
        model = create_model(
            name, input_size, num_classes, weights, described.kwargs, OPTIONS, new_heads, alias, class_names
        )
        anchor = adapter_for(model, name)(described, model, input_size)
        if 0 in anchor.depths:
            raise InputError(f"{OPTIONS.kwargs} of {name}: leaves a stage without blocks")
        require_image_size(anchor)
        return anchor

    def check() -> None:
        with torch.device("meta"):
            make(None)

    published = timm.get_pretrained_cfg(name) if weights == PRETRAINED else None
    here = published is not None and published.file is not None  # as the weights of digits are
    if weights == PRETRAINED and not here:
        check()  # so that nothing is downloaded for a model to be refused
    try:
        anchor = make(weights, new_heads)
    except InputError:
        if here:
            check()  # tells what is wrong with the model, if it is not the weights
        raise
    if weights == PRETRAINED:
        anchor.base_model = anchor.model.pretrained_cfg.get("hf_hub_id")
    return anchor
