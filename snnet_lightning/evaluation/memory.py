"""How many bytes of activations live at once while a module runs."""

import weakref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _AliveStorages(TorchDispatchMode):
    """Follows every storage that an operation makes, until nothing refers to it any more."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        made = operation(*arguments, **(options or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self.follow(tensor)
        return made

    def ignore(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self._known[storage.data_ptr()] = weakref.ref(storage)

    def follow(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        known = self._known.get(address)
        if known is not None and known() is not None:
            return
        self._known[address] = weakref.ref(storage, lambda _: self._forget(size))
        self.now += size
        self.peak = max(self.peak, self.now)

    def _forget(self, size: int) -> None:
        self.now -= size


def peak_activations(module: nn.Module, x: Tensor) -> int:
    """Bytes of ``x`` and of all that ``module`` makes of it, at the moment when most of that lives.

    Parameters, buffers and the scratch space inside of an operation are left out.
    """
    alive = _AliveStorages()
    kept = [*module.parameters(), *module.buffers()]
    for tensor in kept:
        alive.ignore(tensor)
    alive.follow(x)
    with torch.no_grad(), alive:
        module(x)
    return alive.peak
