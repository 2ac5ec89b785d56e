"""The digits family: three tiny vision transformers for 8x8 grey images, whose weights ship with the package.

They are registered with timm like any other family: ``timm.create_model("digits_tiny", pretrained=True)`` works.
``python results/train_digits.py`` makes the weights again.
"""

from pathlib import Path
from typing import Any

from timm.models import VisionTransformer, build_model_with_cfg, generate_default_cfgs, register_model

WEIGHTS = Path(__file__).parent / "digits_weights"
WIDTHS = {"digits_tiny": 16, "digits_small": 32, "digits_base": 64}  # about 20k, 80k and 300k parameters
MEAN, STD = 0.3056, 0.3761  # of the training images, pixels in 0..1


def _cfg(name: str) -> dict[str, Any]:
    return {
        "file": str(WEIGHTS / f"{name}.safetensors"),
        "num_classes": 10,
        "input_size": (1, 8, 8),
        "fixed_input_size": True,
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "mean": (MEAN,),
        "std": (STD,),
        "first_conv": "patch_embed.proj",
        "classifier": "head",
        "license": "apache-2.0",
    }


default_cfgs = generate_default_cfgs({f"{name}.sklearn": _cfg(name) for name in WIDTHS})


def _create(name: str, pretrained: bool, **kwargs: Any) -> VisionTransformer:
    architecture = {"patch_size": 2, "embed_dim": WIDTHS[name], "depth": 6, "num_heads": WIDTHS[name] // 8}
    return build_model_with_cfg(VisionTransformer, name, pretrained, **(architecture | kwargs))


@register_model
def digits_tiny(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """About 20k parameters."""
    return _create("digits_tiny", pretrained, **kwargs)


@register_model
def digits_small(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """About 80k parameters."""
    return _create("digits_small", pretrained, **kwargs)


@register_model
def digits_base(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """About 300k parameters."""
    return _create("digits_base", pretrained, **kwargs)
