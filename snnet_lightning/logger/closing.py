"""Close a job's W&B run as the job ended."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # as shells have it


@contextmanager
def closing_runs() -> Iterator[None]:
    """Finish the W&B run that the body started, if any: as finished, or with the exit status of how the body failed.

    So the next job of a sweep in this process gets a run of its own. Lightning's ``finalize`` would be too early: it
    comes after the training already, and the evaluation is to be in the same run. W&B is not imported here.
    """
    status = 0
    try:
        yield
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
        raise
    except BaseException as error:
        status = INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
        raise
    finally:
        wandb = sys.modules.get("wandb")
        if wandb is not None and wandb.run is not None:
            wandb.finish(exit_code=status)
