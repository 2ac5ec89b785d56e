"""What network is this? One piece of plain data that answers, and travels with every checkpoint."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from snnet_lightning.checked import explain
from snnet_lightning.errors import InputError
from snnet_lightning.stitch import StitchRule, rule_as_data, rule_from_data

IMAGE_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by channels
KEY = "description"  # under which a checkpoint holds it
ORIGIN = "origin"  # under which files say where the network comes from
FORMAT: Final = 1


def plain(value: Any) -> Any:
    """``value``, if it is data and nothing else: no key that Hydra would act on, no reference that it would resolve.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, str):
        value.encode()  # half of a character cannot be written down again, and is a ValueError
        if "${" in value or value == "???":
            raise ValueError(f"{value!r} stands for something else, where a value has to stand")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key.startswith("_"):
                raise ValueError(f"the key {key!r} is not allowed here")
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is not None and type(value) not in (str, int, float, bool):
        raise ValueError(f"a {type(value).__name__} is no plain value")
    return value


def _rule(value: Any) -> StitchRule:
    """A rule that has a name, or the data that stands for one."""
    try:
        rule = rule_from_data(plain(value)) if isinstance(value, Mapping) else value
    except ValidationError as error:
        key, given, right = explain(error)
        raise ValueError(f"{key}={given}: {right}") from error
    rule_as_data(rule)  # which refuses what could not be written down again
    return rule


Rank = Annotated[int, Field(gt=0, le=4096)]  # of the low-rank term of a stitching layer, far above its use
PlainDict = Annotated[dict[str, JsonValue], BeforeValidator(plain)]
Alias = Annotated[str, Field(pattern=r"^[\w.#/:@+-]+$", max_length=200)]  # stands in names of stitches, on terminals
AnyRule = Annotated[Any, PlainValidator(_rule), PlainSerializer(lambda rule: plain(rule_as_data(rule)))]


class Part(BaseModel):
    """Frozen, and without anything that is not named here."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


class AnchorDescription(Part):
    """A model of timm's or our registry, its alias in the names of stitches, and its keyword arguments."""

    name: str
    alias: Alias
    kwargs: PlainDict = {}


class LayersDescription(Part):
    """The stitching layers: the rank of their low-rank term, if they have one."""

    low_rank: Rank | None = None


class Preprocessing(Part):
    """What images go through before the network: resized and cropped as timm does, then normalised."""

    mean: tuple[float, ...] = Field(min_length=1)
    std: tuple[PositiveFloat, ...] = Field(min_length=1)
    interpolation: str
    crop_pct: PositiveFloat


class Description(Part):
    """All that decides what a network computes, weights apart.

    Args:
        anchors: in order of complexity.
        input_size: (channels, height, width) of an image.
        num_classes: of every anchor's head.
        stitch: the rule of its stitches, as a registered object or as ``{"space": name, ...options}``.
        layers: of the stitching layers.
        preprocessing: of the images that it was trained on; None: unknown.
        class_names: in the order of the logits; None: unknown.

    Raises:
        ValidationError: a value of a wrong type, or a key too many or too few.
    """

    format: Literal[1] = FORMAT
    anchors: tuple[AnchorDescription, ...] = Field(min_length=2)
    input_size: tuple[PositiveInt, PositiveInt, PositiveInt]
    num_classes: PositiveInt
    stitch: AnyRule
    layers: LayersDescription = LayersDescription()
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> "Description":
        aliases = [anchor.alias for anchor in self.anchors]
        if len(set(aliases)) < len(aliases):
            raise ValueError(f"anchors are told apart by their aliases, which must differ: {', '.join(aliases)}")
        channels = self.input_size[0]
        known = self.preprocessing
        if known is not None and (len(known.mean), len(known.std)) != (channels, channels):
            raise ValueError(f"preprocessing.mean and std must have {channels} values, one a channel")
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(f"{len(self.class_names)} class names for {self.num_classes} classes")
        return self

    @property
    def data_config(self) -> dict[str, Any]:
        """What ``timm.data.create_transform`` makes the transform of images for this network from.

        Raises:
            InputError: the preprocessing is unknown.
        """
        if self.preprocessing is None:
            raise InputError("how this network wants its images is not known: it was made without preprocessing")
        return {"input_size": self.input_size, **dict(self.preprocessing)}

    def as_data(self) -> dict[str, Any]:
        """As plain JSON data; ``read_description`` is the inverse."""
        return self.model_dump(mode="json")


NO_WORDS = r"\x00-\x1f\x7f-\x9f\u2028\u2029<>`\[\]|"  # would end a line of a model card, or make it another text
Words = Annotated[str, Field(pattern=rf"^[^{NO_WORDS}]*$", max_length=200)]
HubId = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$", max_length=200)]


class Origin(Part):
    """Where a network comes from, which nothing that it computes depends on.

    Args:
        base_models: ids on the hub of the weights that the anchors began with; None, where those were others.
        measured_on: the images that the accuracies were measured on, in words; None: none were measured.
    """

    base_models: tuple[HubId | None, ...] = ()
    measured_on: Words | None = None


def describe(**parts: Any) -> Description:
    """The description that consists of ``parts``.

    Raises:
        InputError: they do not fit each other.
    """
    try:
        return Description(**parts)
    except ValidationError as error:
        key, given, right = explain(error)
        raise InputError(f"{key}={given!r:.80}: {right}" if key else right) from error


def read_description(data: Any, where: str) -> Description:
    """A description out of a file.

    Args:
        data: what stands there.
        where: the file as the user named it (``ckpt_path=...``), for the error.

    Raises:
        InputError: it is none, or of a format that only a later version knows.
    """
    version = data.get("format") if isinstance(data, Mapping) else None
    if type(version) is not int:
        raise InputError(f"{where}: holds no description of an SN-Net: must be a mapping with its format")
    if version > FORMAT:
        raise InputError(f"{where}: its description has format {version!r:.40}; this version reads up to {FORMAT}")
    try:
        return Description.model_validate(plain(data))  # plain all over, for some of it goes through Hydra's hands
    except ValidationError as error:
        key, given, right = explain(error)
        what = f"{key}={given!r:.80}: " if key else ""
        raise InputError(f"{where}: holds no description of an SN-Net: {what}{right}") from error
    except ValueError as error:
        raise InputError(f"{where}: holds no description of an SN-Net that can be built here: {error}") from error


def read_origin(data: Any, where: str) -> Origin:
    """What a file says of where its network comes from.

    Raises:
        InputError: what stands there is none of it.
    """
    try:
        return Origin.model_validate(plain(data))
    except ValidationError as error:
        key, given, right = explain(error)
        raise InputError(f"{where}: {ORIGIN}.{key}={given!r:.80}: {right}") from error
    except ValueError as error:
        raise InputError(f"{where}: {ORIGIN}: {error}") from error


def in_words(text: str) -> str:
    """``text`` in one line that can stand in a model card."""
    return re.sub(f"[{NO_WORDS}]", "_", text)[:200]


def other_classes(names: Sequence[str] | None, others: Sequence[str] | None) -> bool:
    """Whether class names are known on both sides, and differ."""
    return bool(names and others and tuple(names) != tuple(others))


def differences(one: Description, other: Description) -> str:
    """What two descriptions disagree on, for people: ``stitch.final_norm (True, False)``; empty if nothing."""

    def flat(value: Any, key: str = "") -> dict[str, Any]:
        if not isinstance(value, Mapping | list) or not value:
            return {key: value}
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        return {k: v for name, item in items for k, v in flat(item, f"{key}.{name}" if key else str(name)).items()}

    first, second = flat(one.as_data()), flat(other.as_data())
    found = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    return ", ".join(f"{key} ({first.get(key)}, {second.get(key)})" for key in found)
