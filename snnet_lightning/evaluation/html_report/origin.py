"""Where results come from: the command, the configuration and the packages."""

import platform
import shlex
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

PACKAGES = ("torch", "lightning", "timm", "hydra-core")
SCRIPTS = ("train", "evaluate")  # the commands that are files at the top of a clone, too


@dataclass(frozen=True)
class Origin:
    """What is known of the run that results lie beside; None where it was not started from the command line."""

    command: str | None
    config: str | None


def origin_of(directory: Path) -> Origin:
    """Read what the command line leaves in a run's directory before its job starts."""
    config, hydra = directory / "config.yaml", directory / ".hydra" / "hydra.yaml"
    return Origin(
        command=_command(hydra) if hydra.is_file() else None,
        config=config.read_text() if config.is_file() else None,
    )


def versions() -> str:
    """Python and the packages that results depend on, as one line."""
    known = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:  # imported from a path, not installed
            continue
    return ", ".join(f"{name} {number}" for name, number in known.items())


def _command(path: Path) -> str:
    hydra: Any = OmegaConf.to_container(OmegaConf.load(path).hydra, resolve=False)
    words = list(hydra["overrides"]["task"])
    if hydra["job"].get("num", "???") == "???":  # those of a sweep's job would write over it
        words += [word for word in hydra["overrides"]["hydra"] if not word.startswith("hydra.mode=")]
    name = hydra["job"]["config_name"]  # not job.name, which users change
    script = [f"{name}.py"] if name in SCRIPTS else ["-m", f"snnet_lightning.{name}"]
    return shlex.join(["python", *script, *words])
