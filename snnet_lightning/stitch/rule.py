"""Stitch rules by name: the closed vocabulary in which files speak of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from snnet_lightning.checked import checked
from snnet_lightning.errors import InputError
from snnet_lightning.stitch.route import Depths, StitchSpace

RULES: dict[str, type["StitchRule"]] = {}


@runtime_checkable
class StitchRule(Protocol):
    """A frozen dataclass of plain options that makes a stitch space from anchors."""

    def __call__(
        self, names: Sequence[str], depths: Sequence[Depths], grids: Sequence[Depths] | None = None
    ) -> StitchSpace: ...


Registered = TypeVar("Registered", bound=type[StitchRule])


def register_rule(name: str) -> Callable[[Registered], Registered]:
    """Decorate the dataclass of a rule, so that checkpoints of networks with such a rule can be loaded."""

    def register(kind: Registered) -> Registered:
        RULES[name] = kind
        return kind

    return register


def rule_as_data(rule: StitchRule) -> dict[str, Any]:
    """A rule as plain data: ``{"space": name, ...its options}``.

    Raises:
        InputError: its class has no registered name.
    """
    for name, kind in RULES.items():
        if type(rule) is kind:
            return {"space": name, **asdict(cast("Any", rule))}  # a dataclass, which no protocol can say
    raise InputError(f"stitch: {type(rule).__name__} has no name; decorate it with register_rule('its_name')")


def rule_from_data(data: Mapping[str, Any]) -> StitchRule:
    """The inverse of ``rule_as_data``.

    Raises:
        InputError: no such rule is registered.
        ValidationError: options that it does not have, or of a wrong type.
    """
    options = dict(data)
    name = options.pop("space", None)
    if not isinstance(name, str) or name not in RULES:
        raise InputError(f"there is no stitch rule {name!r}; there are {', '.join(sorted(RULES))}")
    return checked(RULES[name])(**options)
