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


def setting_of(overrides: Sequence[str]) -> dict[str, str]:
    """All but the seed: jobs of the same setting are repetitions of each other."""
    return {key: value for key, value in as_columns(overrides).items() if key != SEED}


def labels_of(settings: Sequence[dict[str, str]]) -> list[str]:
    """Each setting by what tells it from some other; empty where nothing does."""
    keys = dict.fromkeys(key for setting in settings for key in setting)
    differing = [key for key in keys if len({setting.get(key) for setting in settings}) > 1]
    return [", ".join(f"{key}={s[key]}" for key in differing if key in s) for s in settings]
