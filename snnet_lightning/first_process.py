"""Which of a run's processes writes what is written once."""

import os


def is_first_process() -> bool:
    """Whether this process is the first of its run, told by its environment, before Lightning knows or is imported.

    torchrun and Lightning's children have ``RANK`` or ``LOCAL_RANK``; one process a node that Lightning is to multiply
    has ``NODE_RANK`` or ``GROUP_RANK``; SLURM's have ``SLURM_PROCID``.
    """
    if "RANK" in os.environ:
        return os.environ["RANK"] == "0"
    ranks = ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in ranks)
