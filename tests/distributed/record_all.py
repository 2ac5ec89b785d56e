"""Started by the tests: in two processes, one after the other, all that they look at.

Both processes take seconds to import PyTorch, so they are started once.
"""

import sys
from pathlib import Path

from tests.distributed import record_gradients, record_scores, record_sigterm, record_statistics, record_tuning

if __name__ == "__main__":
    for script in (record_gradients, record_scores, record_sigterm, record_statistics, record_tuning):
        directory = Path(sys.argv[1]) / script.__name__.rpartition(".")[2]
        directory.mkdir(exist_ok=True)
        script.main(directory)
