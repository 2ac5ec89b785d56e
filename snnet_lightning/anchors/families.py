"""Which adapter cuts which timm class. A new family is one adapter and one line here."""

from torch import nn

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.vision_transformer import VisionTransformerAnchor
from snnet_lightning.errors import InputError

ADAPTERS: dict[str, type[Anchor]] = {
    "VisionTransformer": VisionTransformerAnchor,
    "VisionTransformerDistilled": VisionTransformerAnchor,
}


def adapter_for(model: nn.Module, timm_name: str) -> type[Anchor]:
    """The adapter of a timm model.

    Raises:
        InputError: the model's class has none; the supported classes are listed.
    """
    adapter = ADAPTERS.get(type(model).__name__)
    if adapter is None:
        raise InputError(
            f"{timm_name} is a {type(model).__name__}, which has no adapter; supported timm classes: "
            + ", ".join(sorted(ADAPTERS))
        )
    return adapter
