"""Arguments are held against annotations; what is wrong is told with its place, its value and what would be right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field, PositiveInt, ValidationError

from snnet_lightning.checked import Seed, Share, Unmade, checked, explain, only_checked

if TYPE_CHECKING:
    from nowhere import Nothing


@dataclass(frozen=True)
class Options:
    count: PositiveInt = 1
    share: Share = 0.5
    seed: Seed = 0
    kind: Literal["near", "far"] = "near"
    size: tuple[int, int] = (1, 2)
    limit: int | float | None = None
    name: str = "x"
    on: bool = True
    each: tuple[Mapping[str, int], ...] = ()
    names: Annotated[tuple[str, ...], Field(min_length=2)] = ("a", "b")
    flag: int | bool = 0
    thing: "Options | None" = None
    whatever: Any = None


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"count": 1e2}, {"count": 100}),
        ({"share": 1}, {"share": 1.0}),
        ({"size": [3, 4]}, {"size": (3, 4)}),
        ({"limit": 1}, {"limit": 1}),
        ({"limit": 1.0}, {"limit": 1.0}),
        ({"name": 2024}, {"name": "2024"}),
        ({"flag": True}, {"flag": True}),
        ({"whatever": True}, {"whatever": True}),
        ({"thing": Options(3)}, {"thing": Options(3)}),
    ],
)
def test_what_is_taken(given, taken):
    made = checked(Options)(**given)
    for key, value in taken.items():
        assert getattr(made, key) == value
        assert type(getattr(made, key)) is type(value)


@pytest.mark.parametrize(
    ("given", "key", "right"),
    [
        ({"count": 0}, "count", "must be above 0"),
        ({"count": 1.5}, "count", "must be a whole number"),
        ({"count": True}, "count", "must be a number"),
        ({"count": None}, "count", "must be a whole number"),
        ({"count": []}, "count", "must be a whole number"),
        ({"share": float("nan")}, "share", "must be a finite number"),
        ({"share": 1.1}, "share", "must be at most 1"),
        ({"seed": -1}, "seed", "must be at least 0"),
        ({"seed": 2**32}, "seed", f"must be below {2**32}"),
        ({"kind": "middle"}, "kind", "must be near or far"),
        ({"size": 3}, "size", "must be a list"),
        ({"size": [1, "x"]}, "size.1", "must be a whole number"),
        ({"size": [1]}, "size.1", "it is missing"),
        ({"limit": "x"}, "limit", "must be a whole number or a number"),
        ({"limit": False}, "limit", "must be a number"),
        ({"on": "maybe"}, "on", "must be true or false"),
        ({"each": [{"a": 1}, 3]}, "each.1", "must be a mapping"),
        ({"names": ["a"]}, "names", "must be a list of at least 2"),
        ({"names": "ab"}, "names", "must be a list"),
        ({"name": [1]}, "name", "must be text"),
        ({"thing": 3}, "thing", "must be a Options"),
        ({"zzz": 3}, "zzz", "there is no such option"),
    ],
)
def test_what_is_refused(given, key, right):
    for check in (checked, only_checked):
        with pytest.raises(ValidationError) as caught:
            check(Options)(**given)
        assert explain(caught.value)[0::2] == (key, right)


def test_a_missing_argument():
    def needs(what: int, *, more: str) -> None: ...

    with pytest.raises(ValidationError) as caught:
        checked(needs)(more="x")
    assert explain(caught.value) == ("what", None, "it is missing")


def test_only_checking_calls_nothing_and_lets_pass_what_is_not_made_yet():
    called = []

    def target(count: PositiveInt, things: list[Options], name: str = "x") -> None:
        called.append(count)

    check = only_checked(target)
    assert isinstance(check(count=1, things=[Unmade(), Unmade()]), Unmade)
    assert isinstance(check(count=Unmade(), things=Unmade()), Unmade)
    with pytest.raises(ValidationError) as caught:
        check(count=0, things=[Unmade()])
    assert explain(caught.value) == ("count", 0, "must be above 0")
    assert not called
    checked(target)(count=2, things=[])
    assert called == [2]


def test_annotations_that_only_type_checkers_know_are_not_checked():
    def target(count: "Nothing", size: int = 1) -> int:
        return count

    assert checked(target)(count="x") == "x"


def test_an_error_of_what_is_called_is_its_own():
    def target(count: int) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match=r"^broken$"):
        checked(target)(count=1)
