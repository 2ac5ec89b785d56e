"""The libraries that only exporting needs."""

from importlib import import_module
from types import ModuleType

from snnet_lightning.errors import InputError


def extra(name: str) -> ModuleType:
    """The module ``name`` of a library of the extra ``export``.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing: pip install 'snnet_lightning[export]'") from error
