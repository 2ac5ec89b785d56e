"""What may be said to timm's augmentations, which check nothing themselves; what follows from the rest is left out."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, with_config
from typing_extensions import TypedDict  # that of typing is not read by pydantic before Python 3.12

from snnet_lightning.checked import Share

Range = tuple[PositiveFloat, PositiveFloat]
Interpolation = Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]
CropShare = Annotated[float, Field(ge=0.05, le=1)]  # of the resized image; below, it would be huge
closed = with_config(ConfigDict(extra="forbid", allow_inf_nan=False))


@closed
class Augmentation(TypedDict, total=False):
    """Of ``timm.data.create_transform``, for training; ``src`` is the simple random crop of DeiT III."""

    no_aug: bool
    interpolation: Interpolation | Literal["random"]
    train_crop_mode: Literal["rrc", "rkrc", "rkrr", "src"] | None
    scale: Range | None
    ratio: Range | None
    hflip: Share
    vflip: Share
    color_jitter: NonNegativeFloat | list[NonNegativeFloat] | None
    color_jitter_prob: Share | None
    grayscale_prob: Share
    gaussian_blur_prob: Share
    auto_augment: str | None


@closed
class Erasing(TypedDict, total=False):
    """Of timm's ``RandomErasing``."""

    probability: Share
    min_area: Share
    max_area: Share
    min_aspect: PositiveFloat
    max_aspect: PositiveFloat | None
    mode: Literal["const", "rand", "pixel"]
    min_count: PositiveInt
    max_count: PositiveInt | None
    num_splits: Literal[0, 2]  # 2: the first half of a batch is left alone


@closed
class Mixing(TypedDict, total=False):
    """Of timm's ``Mixup``."""

    mixup_alpha: NonNegativeFloat
    cutmix_alpha: NonNegativeFloat
    cutmix_minmax: tuple[Share, Share] | None
    prob: Share
    switch_prob: Share
    mode: Literal["batch", "pair", "elem"]
    correct_lam: bool
