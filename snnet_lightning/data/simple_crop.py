"""The simple random crop of DeiT III (Touvron et al., ECCV 2022, section 3.2)."""

from collections.abc import Sequence

from timm.data.transforms import RandomResizedCropAndInterpolation, str_to_interp_mode
from torchvision.transforms import Compose, RandomCrop, Resize

PADDING = 4  # pixels on every side, reflected


def with_simple_crop(transform: Compose, size: Sequence[int], interpolation: str) -> Compose:
    """timm's training transform with another crop: the shorter side is resized, and a window of ``size`` moves a bit.

    Args:
        size: height and width of the result.
        interpolation: of resizing; ``random`` is bilinear.
    """
    crop, *others = transform.transforms
    if not isinstance(crop, RandomResizedCropAndInterpolation):  # without any augmentation
        return transform
    mode = str_to_interp_mode("bilinear" if interpolation == "random" else interpolation)
    simple = [Resize(max(size), mode), RandomCrop(tuple(size), padding=PADDING, padding_mode="reflect")]
    return Compose([*simple, *others])
