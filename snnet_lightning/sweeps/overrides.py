"""What the jobs of a sweep were told, and in what they differ."""

from collections.abc import Sequence

SEED = "seed"


def as_columns(overrides: Sequence[str]) -> dict[str, str]:
    """Overrides as key and value; the value of a key that is taken away is ``~``."""
    columns = {}
    for override in overrides:
        key, _, value = override.partition("=")
        columns[key.lstrip("+~")] = "~" if key.startswith("~") else value
    return columns


def setting_of(overrides: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """All but the seed: jobs of the same setting are repetitions of each other."""
    return tuple((key, value) for key, value in as_columns(overrides).items() if key != SEED)


def labels_of(settings: Sequence[tuple[tuple[str, str], ...]]) -> list[str]:
    """Each setting by what tells it from the others; empty where there is nothing to tell it from."""
    differing = {key for setting in settings for key, _ in setting if len({dict(s).get(key) for s in settings}) > 1}
    return [", ".join(f"{key}={value}" for key, value in setting if key in differing) for setting in settings]
