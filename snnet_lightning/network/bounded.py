"""Build what a file describes, if it is not larger than what the file holds."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from snnet_lightning.anchors.family import AnchorFamily
from snnet_lightning.description import Description
from snnet_lightning.errors import InputError
from snnet_lightning.network.create import build
from snnet_lightning.network.snnet import SNNet

LARGEST = 1_000_000  # keyword argument of a model, which may count or make something before any parameter
SPARE = 4  # timm makes some modules again, such as heads for another number of classes


def build_within(
    description: Description, state: Mapping[str, Tensor], where: str, beside: tuple[int, int] = (0, 0)
) -> SNNet:
    """The network that was described, without its weights.

    First its anchors are made without memory, so that a description that asks for more than the weights beside it ends
    there.

    Args:
        state: the weights beside the description.
        beside: how many parameter tensors, and elements of them, the network may have without any weights there.

    Raises:
        InputError: as of ``build``; or the description is of a much larger network than ``state``.
    """
    tensors = SPARE * len(state) + 100 + beside[0]
    elements = SPARE * sum(value.numel() for value in state.values()) + 1_000_000 + beside[1]
    try:
        if max(_numbers([anchor.kwargs for anchor in description.anchors]), default=0) > LARGEST:
            raise _TooLarge
        with _at_most(tensors, elements), torch.device("meta"):
            AnchorFamily.of(description).create()
    except _TooLarge:
        raise InputError(f"{where}: describes a much larger network than its weights are of") from None
    return build(description)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, int | float):
        yield abs(value)
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(item)


class _TooLarge(BaseException):
    """Passes through whatever a model makes of errors."""


@contextmanager
def _at_most(tensors: int, elements: int) -> Iterator[None]:
    """Refuse to make more parameters than that in the body."""
    left = [tensors, elements]

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None:
            left[0] -= 1
            left[1] -= parameter.numel()
            if min(left) < 0:
                raise _TooLarge

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
