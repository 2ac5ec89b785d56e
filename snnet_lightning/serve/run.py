"""Serve, in a process that has nothing else in it: python -m snnet_lightning.serve.run 'JSON of options and policy'"""

import json
import signal
import sys
import warnings
from pathlib import Path

from hydra.utils import get_class
from PIL import Image

from snnet_lightning.serve.options import Serving
from snnet_lightning.serve.server import StitchServer
from snnet_lightning.serve.table import ServedTable


def main(options: dict, policy: dict) -> None:
    """Serve until a signal ends it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started this in the background
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # sizes are checked, against a limit of our own
    serving = Serving(**options)
    table = ServedTable.of(Path(serving.folder), serving.folder)
    chosen = get_class(policy.pop("_target_"))
    StitchServer(serving, chosen(table.profiles, **policy), table).run(
        host=serving.host, port=serving.port, num_api_servers=1, log_level="warning", generate_client_file=False
    )


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
