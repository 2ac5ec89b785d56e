"""A stitch as a program of torch.export, with weights of its own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from snnet_lightning.errors import InputError
from snnet_lightning.export.metadata import KEYS
from snnet_lightning.export.quiet import quiet


def save_program(module: nn.Module, input_size: Sequence[int], path: Path, metadata: Mapping[str, str]) -> None:
    """Write ``module`` to ``path``: images (batch, C, H, W) -> logits (batch, classes), for any batch."""
    with quiet():
        program = torch.export.export(
            module, (torch.zeros(2, *input_size),), dynamic_shapes=({0: torch.export.Dim("batch")},)
        )
        torch.export.save(program, path, extra_files=dict(metadata))


def load_program(path: Path) -> tuple[Callable[[Tensor], Tensor], Mapping[str, str]]:
    """The program in ``path``, and its metadata.

    Raises:
        InputError: it holds none.
    """
    metadata = dict.fromkeys(KEYS, "")
    try:
        with quiet():
            program = torch.export.load(path, extra_files=metadata).module()
    except Exception as error:  # it raises whatever its parts do
        raise InputError(f"{path}: holds no program of torch.export ({type(error).__name__})") from error
    return program, {key: value for key, value in metadata.items() if value}
