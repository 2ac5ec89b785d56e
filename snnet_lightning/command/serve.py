"""Serve a saved network over HTTP."""

import json
import logging
import os
import socket
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from snnet_lightning.command.instantiate import MISSING
from snnet_lightning.command.job import job
from snnet_lightning.command.run import run
from snnet_lightning.errors import InputError

if TYPE_CHECKING:
    from snnet_lightning.serve.options import Serving
    from snnet_lightning.serve.table import ServedTable

log = logging.getLogger(__name__)


@job("serve", "snnet_lightning.serve")
def task(cfg: DictConfig) -> None:
    options, policy, _ = checked_options(cfg)
    require_free_port(options["host"], options["port"])
    logging.shutdown()
    # In place of this process, which has PyTorch and Lightning in it.
    os.execv(sys.executable, words_of_server(options, policy))


def words_of_server(options: dict[str, Any], policy: dict[str, Any]) -> list[str]:
    """The command that starts the process that serves."""
    return [sys.executable, "-m", "snnet_lightning.serve.run", json.dumps({"options": options, "policy": policy})]


def checked_options(cfg: DictConfig) -> "tuple[dict[str, Any], dict[str, Any], ServedTable]":
    """What the process that serves is told, its options and the policy with its own, both checked; and its table.

    Raises:
        InputError: something is missing or does not fit.
    """
    import torch

    from snnet_lightning.command.instantiate import made

    if cfg.ckpt_path is None:
        raise InputError("no folder is given: python -m snnet_lightning.serve FOLDER, the snnet of a run")
    where = f"ckpt_path={cfg.ckpt_path}"
    try:
        import snnet_lightning.serve.server  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing: pip install 'snnet_lightning[serve]'") from error
    from snnet_lightning.serve.policy import create_policy
    from snnet_lightning.serve.table import ServedTable
    from snnet_lightning.serve.upload import Resizing

    serving = made(cfg, "serving")
    if serving.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda: there is no GPU that PyTorch can use")
    table = ServedTable.of(Path(serving.folder), where)
    try:
        Resizing.of(table.description)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    policy: Any = OmegaConf.to_container(cfg.policy, resolve=True)
    policy.pop("profiles", None)
    missing = [key for key, value in policy.items() if value == MISSING]
    if missing:
        raise InputError(f"policy.{missing[0]} is missing: add policy.{missing[0]}=...")
    create_policy(policy, table.profiles)
    known = table.latency and table.latency.threads
    serving = replace(serving, threads=serving.threads or known or 1)
    _warn_of_other_device(table, serving)
    return asdict(serving), policy, table


def require_free_port(host: str, port: int) -> None:
    """Refuse an address that somebody listens at."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as error:
            raise InputError(f"port={port}: cannot be had on {host}: {error.strerror}") from error


def _warn_of_other_device(table: "ServedTable", serving: "Serving") -> None:
    from snnet_lightning.latency.measure import device_name

    if table.latency is None:
        return
    if (table.latency.precision, table.latency.compiled, table.latency.cuda_graphs) != ("fp32", False, False):
        log.warning("latencies are those of %s, but it is served in fp32 and uncompiled", table.latency.in_words)
    here = device_name(serving.device), serving.threads if serving.device == "cpu" else None
    there = table.latency.device, table.latency.threads
    if here != there:
        log.warning("latencies were measured on %s, but it is served on %s", *map(_in_words, (there, here)))


def _in_words(device: tuple[str, int | None]) -> str:
    name, threads = device
    return name if threads is None else f"{name} with {threads} thread{'s' if threads > 1 else ''}"


def folder_first() -> None:
    """Let the folder stand by itself, as the first word of the command line."""
    if len(sys.argv) > 1 and "=" not in sys.argv[1] and not sys.argv[1].startswith(("-", "+", "~")):
        sys.argv[1] = f"ckpt_path={sys.argv[1]}"


def main() -> None:
    folder_first()
    run(task, recalled_by=[])
