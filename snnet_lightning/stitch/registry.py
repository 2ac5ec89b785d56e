"""Stitch spaces by name: the closed vocabulary in which files speak of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from snnet_lightning.checked import checked
from snnet_lightning.errors import InputError
from snnet_lightning.stitch.route import Depths, StitchSpace

SPACES: dict[str, type["Space"]] = {}


@runtime_checkable
class Space(Protocol):
    """A frozen dataclass of plain options that makes a stitch space from anchors."""

    def __call__(
        self, names: Sequence[str], depths: Sequence[Depths], grids: Sequence[Depths] | None = None
    ) -> StitchSpace: ...


Registered = TypeVar("Registered", bound=type[Space])


def register_space(name: str) -> Callable[[Registered], Registered]:
    """Decorate the dataclass of a space, so that checkpoints of networks with such a space can be loaded."""

    def register(kind: Registered) -> Registered:
        SPACES[name] = kind
        return kind

    return register


def space_as_data(space: Space) -> dict[str, Any]:
    """A space as plain data: ``{"space": name, ...its options}``.

    Raises:
        InputError: its class has no registered name.
    """
    for name, kind in SPACES.items():
        if type(space) is kind:
            return {"space": name, **asdict(cast("Any", space))}  # a dataclass, which no protocol can say
    raise InputError(f"stitch: {type(space).__name__} has no name; decorate it with register_space('its_name')")


def space_from_data(data: Mapping[str, Any]) -> Space:
    """The inverse of ``space_as_data``.

    Raises:
        InputError: no such space is registered.
        ValidationError: options that it does not have, or of a wrong type.
    """
    options = dict(data)
    name = options.pop("space", None)
    if not isinstance(name, str) or name not in SPACES:
        raise InputError(f"there is no stitch space {name!r}; there are {', '.join(sorted(SPACES))}")
    return checked(SPACES[name])(**options)
