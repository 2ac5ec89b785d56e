"""Whether an anchor takes images of its input size, told before anything is downloaded, trained or counted."""

from functools import partial

from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.errors import InputError


def require_image_size(anchor: Anchor) -> None:
    """Run an empty image of ``input_size`` through ``anchor``, also on the meta device, where not all models run.

    Raises:
        InputError: the patches do not divide the image, or the model does not run it.
    """
    handles = [conv.register_forward_pre_hook(partial(_require_whole_patches, anchor)) for conv in _cuts(anchor)]
    try:
        anchor.activations  # noqa: B018  (seen in a forward pass, and kept)
    except InputError:
        raise
    except (AssertionError, RuntimeError, IndexError, TypeError, ValueError) as error:
        of_input = isinstance(error, AssertionError)  # timm's checks; the others may be nobody's fault, or ours
        if not of_input and next(anchor.parameters()).is_meta:
            return
        known = anchor.model.pretrained_cfg.get("input_size", ())
        if tuple(known[1:]) == anchor.input_size[1:] and not anchor.described.kwargs and not of_input:
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{_option(anchor)}: {anchor.described.name} does not run such images ({reason})") from error
    finally:
        for handle in handles:
            handle.remove()


def _cuts(anchor: Anchor) -> list[nn.Conv2d]:
    """What cuts the image into patches in a model for one image size; timm leaves out pixels beyond the last whole one.

    Convolutional networks may: they drop a row now and then by design.
    """
    if not anchor.model.pretrained_cfg.get("fixed_input_size", False):
        return []
    inside = {m for blocks in anchor.stages() for block in blocks for m in block.modules()}
    convs = [m for m in anchor.modules() if m not in inside and type(m) is nn.Conv2d]
    return [conv for conv in convs if conv.kernel_size == conv.stride != (1, 1) and conv.padding in ((0, 0), "valid")]


def _require_whole_patches(anchor: Anchor, conv: nn.Conv2d, inputs: tuple[Tensor]) -> None:
    size = inputs[0].shape[-2:]
    if any(pixels % patch for pixels, patch in zip(size, conv.stride, strict=True)):
        patch = [p * round(image / s) for image, s, p in zip(anchor.input_size[1:], size, conv.stride, strict=True)]
        raise InputError(
            f"{_option(anchor)}: {anchor.described.name} cuts images into patches of {patch[0]}x{patch[1]} pixels; "
            "give multiples of these"
        )


def _option(anchor: Anchor) -> str:
    return f"anchors.input_size=[{','.join(map(str, anchor.input_size))}]"
