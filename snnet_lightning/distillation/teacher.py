"""Teachers: from images (N, C, H, W) to logits (N, classes), in eval mode and without gradient.

They are no modules, so that no LightningModule that holds one registers, trains or saves it.
"""

from typing import Any

import timm
import torch
from torch import Tensor

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.timm_model import PRETRAINED, Options, create_model
from snnet_lightning.distillation.renormalise import renormalisation
from snnet_lightning.errors import InputError
from snnet_lightning.evaluating import evaluating

ANCHOR = "anchor"  # the name of the teacher that is part of the SN-Net
OPTIONS = Options("distillation.teacher", "distillation.weights", "distillation.teacher")


class ExternalTeacher:
    """A timm model for the images that an anchor takes, on its device and in its precision.

    Args:
        timm_name: its name in timm.
        weights: ``pretrained``, ``random`` or the path of a local file.
        anchor: takes the same images and has the same classes.

    Raises:
        InputError: weights that cannot be had or do not fit, or of another number of classes than the anchor's.
    """

    def __init__(self, timm_name: str, weights: str, anchor: Anchor):
        published = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
        # timm would give a model of other classes a random head, without a word.
        if weights == PRETRAINED and published is not None and published.num_classes != anchor.num_classes:
            raise InputError(
                f"distillation.teacher={timm_name}: its pretrained weights are for {published.num_classes} classes, "
                f"but the anchors have {anchor.num_classes}"
            )
        model = create_model(timm_name, anchor.input_size, anchor.num_classes, weights, {}, OPTIONS)
        like = next(anchor.parameters())
        self.model: Any = model.eval().requires_grad_(False).to(like.device, like.dtype)
        cfgs: tuple[Any, Any] = anchor.model.pretrained_cfg, self.model.pretrained_cfg
        self.renormalise = renormalisation(*cfgs, channels=anchor.input_size[0], like=like)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        return self.model(self.renormalise(images))


class AnchorTeacher:
    """An anchor of the SN-Net itself, which goes on being trained.

    Args:
        anchor: the anchor; it is not copied.
    """

    def __init__(self, anchor: Anchor):
        self.anchor = anchor

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        with evaluating(self.anchor):
            return self.anchor(images)
