"""One mechanism for what an option may be: the annotations of what takes it, checked by pydantic."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, get_args

from pydantic import ConfigDict, Field, ValidationError, validate_call
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Made = TypeVar("Made")

# Numbers become text where text is wanted, for a folder may be called 2024; no number may be infinite or NaN.
CONFIG = ConfigDict(arbitrary_types_allowed=True, coerce_numbers_to_str=True, allow_inf_nan=False)

Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Workers = Annotated[int, Field(ge=0, le=256)]  # processes of a loader
File = Annotated[str, Field(min_length=1)]

NO_NUMBER = PydanticCustomError("no_number", "no number")  # a truth value, which Python takes for one


def checked(target: Callable[..., Made]) -> Callable[..., Made]:
    """``target``, whose arguments are first checked against their annotations, and converted where nothing is lost.

    Truth values are no numbers here. What pydantic cannot read the annotations of is left unchecked.

    Raises (when called):
        ValidationError: an argument is of a wrong type or out of range, unknown or missing; ``explain`` tells people.
    """
    check = _check_of(target)

    def call(*arguments: Any, **options: Any) -> Made:
        arguments, options = check(*arguments, **options)
        return target(*arguments, **options)

    return call


class Unmade:
    """Stands for what a node would make, or for a value that has not been said, while arguments are only checked."""


def only_checked(target: Callable[..., Any]) -> Callable[..., Unmade]:
    """As ``checked``, but ``target`` is not called; arguments that are ``Unmade`` pass."""
    check = _check_of(target)

    def call(*arguments: Any, **options: Any) -> Unmade:
        try:
            check(*arguments, **options)
        except ValidationError as error:
            wrong = [e for e in error.errors() if not _is_unmade(e["input"])]
            if wrong:
                raise ValidationError.from_exception_data(error.title, list(map(_again, wrong))) from error
        return Unmade()

    return call


def _is_unmade(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    return any(map(_is_unmade, value)) if isinstance(value, list | tuple) else isinstance(value, Unmade)


def _again(error: ErrorDetails) -> InitErrorDetails:
    # As a custom error, for pydantic makes some of its own only itself.
    kind = PydanticCustomError(error["type"], error["msg"], error.get("ctx"))
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"])


@cache
def _check_of(target: Callable[..., Any]) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    """What turns the arguments of ``target`` into checked and converted ones."""

    def as_they_are(*arguments: Any, **options: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return arguments, options

    try:
        signature = inspect.signature(target, eval_str=True)
        parameters = signature.parameters
        as_they_are.__name__ = as_they_are.__qualname__ = getattr(target, "__name__", type(target).__name__)
        as_they_are.__signature__ = signature  # type: ignore[attr-defined]  # inspect looks there
        as_they_are.__annotations__ = {n: p.annotation for n, p in parameters.items() if p.annotation is not p.empty}
        validate = validate_call(config=CONFIG)(as_they_are)
    except (NameError, TypeError, ValueError):  # no signature, or a type that is only imported for type checkers
        return as_they_are
    numeric = {name for name, p in parameters.items() if _wants_number(p.annotation)}

    def check(*arguments: Any, **options: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        truths = [name for name in numeric if isinstance(options.get(name), bool)]
        if truths:
            details = [InitErrorDetails(type=NO_NUMBER, loc=(name,), input=options[name]) for name in truths]
            raise ValidationError.from_exception_data(as_they_are.__name__, details)
        return validate(*arguments, **options)

    return check


def _wants_number(annotation: Any) -> bool:
    """Whether an annotation admits numbers, and no truth values beside them."""
    kinds = set(_flat(annotation))
    return bool(kinds & {int, float}) and bool not in kinds


def _flat(annotation: Any) -> Iterator[Any]:
    arguments = get_args(annotation)
    for argument in arguments:
        yield from _flat(argument)
    if not arguments:
        yield annotation


def explain(error: ValidationError) -> tuple[str, Any, str]:
    """Where a check failed (a dotted key within what was given), what stood there, and what would be right."""
    errors = error.errors()
    of_one = [e for e in errors if e["loc"][:1] == errors[0]["loc"][:1]]
    first = max(of_one, key=lambda e: _place(e)[0].count("."))  # of several types, the one that was tried the furthest
    path, given = _place(first)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return path, given, "there is no such option"
    if first["type"].startswith("missing"):
        return path, None, "it is missing"
    if first["type"] == "value_error":
        return path, given, str(first["ctx"]["error"])
    wanted = dict.fromkeys(filter(None, (_wanted(e) for e in errors if _place(e)[0] == path)))
    return path, given, "must be " + (" or ".join(wanted) or first["msg"].removeprefix("Input should be "))


def _place(error: ErrorDetails) -> tuple[str, Any]:
    """The key of an error; pydantic's location also names the members of unions, which nobody has typed."""
    name, *rest = error["loc"] or ("",)
    words = [str(name)]
    for word in rest:
        if isinstance(word, int) or (isinstance(word, str) and word.isidentifier() and word not in _TYPES):
            words.append(str(word))
    return ".".join(words), error["input"]


_TYPES = {"int", "float", "str", "bool", "dict", "list", "none", "constrained", "nullable", "timedelta"}

_KINDS = {
    "no": "a number",  # where a truth value was given
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "iterable": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "path": "a path",
    "none": "null",
    "time": "a duration",
    "finite": "a finite number",
}


def _wanted(error: ErrorDetails) -> str | None:
    """What one branch of a type would take, in words."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_too_short":
        return "text that is not empty"
    if kind == "string_pattern_mismatch":
        return f"text that fits {context['pattern']}"
    if kind == "literal_error":
        return context["expected"].replace("'", "")
    bounds: Mapping[str, str] = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    for bound, words in bounds.items():
        if bound in context:
            limit = context[bound]
            return words.format(int(limit) if limit == int(limit) else limit)
    if kind in ("too_short", "too_long"):
        length = context.get("min_length", context.get("max_length"))
        return f"a list of {'at least' if kind == 'too_short' else 'at most'} {length}"
    if kind in ("is_instance_of", "dataclass_type"):
        return f"a {context.get('class') or context['class_name']}"
    return _KINDS.get(kind.split("_")[0])
