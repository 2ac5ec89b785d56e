"""Where results come from: the command and the packages."""

import platform
import shlex
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

PACKAGES = ("torch", "lightning", "timm", "hydra-core")
SCRIPTS = ("train", "evaluate")  # the commands that are files at the top of a clone, too


def command_of(directory: Path) -> str | None:
    """The command whose run has this directory, as Hydra noted it there; None where no command has."""
    path = directory / ".hydra" / "hydra.yaml"
    if not path.is_file():
        return None
    hydra: Any = OmegaConf.to_container(OmegaConf.load(path).hydra, resolve=False)
    words = list(hydra["overrides"]["task"])
    if hydra["job"].get("num", "???") == "???":  # those of a sweep's job would write over it
        words += [word for word in hydra["overrides"]["hydra"] if not word.startswith("hydra.mode=")]
    name = hydra["job"]["config_name"]  # not job.name, which users change
    script = [f"{name}.py"] if name in SCRIPTS else ["-m", f"snnet_lightning.{name}"]
    return shlex.join(["python", *script, *words])


def versions() -> str:
    """Python and the packages that results depend on, as one line."""
    known = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:  # imported from a path, not installed
            continue
    return ", ".join(f"{name} {number}" for name, number in known.items())
