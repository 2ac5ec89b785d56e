"""Run a Hydra main function as a command."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from snnet_lightning.command.explain import explain
from snnet_lightning.command.known_keys import require_choices
from snnet_lightning.command.recall import recalled
from snnet_lightning.sweeps.write_sweep import sweeps_summed_up

SHOW_TRACEBACK = "HYDRA_FULL_ERROR"
OUR_CHOICE = "SNNET_HANDLES_ERRORS"


def run(main: Callable[[], Any], recalled_by: Sequence[str]) -> None:
    """Run it; a configuration that cannot be composed ends in one line and exit status 1.

    So does Ctrl-C, with the exit status that shells have for it.

    With HYDRA_FULL_ERROR=1 the traceback is shown instead, as everywhere in Hydra.

    Args:
        recalled_by: the options that name a file whose network is to be composed.
    """
    # OpenMP's idle threads spin by default; where another process wants the cores too, a step then takes 30 times as
    # long (measured on two cores). PyTorch is not imported yet, so this is still heard.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    asked_for_traceback = wants_traceback()
    os.environ[SHOW_TRACEBACK] = "1"  # so that Hydra hands its errors on instead of printing them
    if not asked_for_traceback:
        os.environ[OUR_CHOICE] = "1"
    try:
        require_choices(sys.argv[1:])
        with recalled(sys.argv[1:], *recalled_by), sweeps_summed_up():
            main()
    except KeyboardInterrupt:
        if asked_for_traceback:
            raise
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        told = explain(error)
        if asked_for_traceback or told is None:
            raise
        stop(told)


def wants_traceback() -> bool:
    """Whether the user, and not ``run`` in this process or the one that started it, asked Hydra for tracebacks."""
    return os.environ.get(SHOW_TRACEBACK) == "1" and OUR_CHOICE not in os.environ


def stop(told: str) -> NoReturn:
    """End with one line and a failure status."""
    print(f"error: {told}", file=sys.stderr)
    sys.exit(1)
