"""Serve, in a process that has nothing else in it: python -m snnet_lightning.serve.run 'JSON of options and policy'"""

import json
import logging
import os
import signal
import sys
import warnings
from pathlib import Path

from PIL import Image

from snnet_lightning.errors import RunError
from snnet_lightning.serve.open_files import allow_many_open_files
from snnet_lightning.serve.options import Serving
from snnet_lightning.serve.policy import create_policy
from snnet_lightning.serve.server import StitchServer
from snnet_lightning.serve.table import ServedTable

KEPT_ALIVE_S = 75  # longer than clients keep a connection, else one may send on what is just being closed


def main(options: dict, policy: dict) -> None:
    """Serve until a signal ends it.

    Raises:
        RunError: it cannot, or not any more.
    """
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # sizes are checked, against a limit of our own
    allow_many_open_files()
    serving = Serving(**options)
    table = ServedTable.of(Path(options["folder"]), options["folder"])
    server, first = StitchServer(serving, create_policy(policy, table.profiles), table), os.getpid()

    def stop(number: int, frame: object) -> None:
        """LitServe ends all processes on Ctrl-C in the first; another is told here only when it is done."""
        if os.getpid() == first:
            server.ends = True
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.SIG_IGN)
            logging.getLogger("litserve").setLevel(logging.CRITICAL)  # which wonders where its processes are
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    server.run(
        host=serving.host,
        port=serving.port,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        timeout_keep_alive=KEPT_ALIVE_S,
    )
    if server.speechless:
        raise RunError("the process that speaks HTTP died")


if __name__ == "__main__":
    try:
        main(**json.loads(sys.argv[1]))
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
