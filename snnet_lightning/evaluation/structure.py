"""What modules have in common that do the same in eval mode, whatever their weights."""

import io
import pickle
from collections.abc import Hashable, Sequence
from typing import Any

from timm.layers import DropPath
from torch import Tensor, nn


class _WithoutValues(pickle.Pickler):
    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, DropPath):  # whose rates grow from block to block
            return DropPath
        return (tuple(thing.shape), thing.dtype) if isinstance(thing, Tensor) else None


def structure(owners: Sequence[nn.Module | Tensor]) -> Hashable:
    """Equal for modules and parameters that differ in nothing but rates of drop path and the values of tensors.

    Of modules that cannot be pickled nothing is known: it is unequal to any other.
    """
    file = io.BytesIO()
    try:
        _WithoutValues(file).dump(owners)
    except (pickle.PicklingError, AttributeError, TypeError):  # as of a local function
        return object()
    return file.getvalue()
