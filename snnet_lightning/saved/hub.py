"""Networks on the Hugging Face hub."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from snnet_lightning.errors import InputError
from snnet_lightning.network_folder import CONFIG, LATENCY, LIBRARY, STITCHES, WEIGHTS

if TYPE_CHECKING:
    from snnet_lightning.network.snnet import SNNet

ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
FILE = re.compile(r".*\.(ckpt|pth?|pt2|bin|tar|safetensors|onnx)")


def is_hub_id(path: str | Path) -> bool:
    """Whether ``path`` is nothing here, and could be the id of a network on the hub."""
    word = str(path)
    return not Path(path).exists() and ID.fullmatch(word) is not None and not FILE.fullmatch(word)


def fetched(repo_id: str, revision: str | None) -> Path:
    """The folder of a network on the hub, in the hub's cache: what of it is loaded, and nothing else.

    Raises:
        InputError: there is none, or no way to it.
    """
    where = repo_id if revision is None else f"{repo_id}, revision {revision}"
    with _told_of(f"{where}: no file or folder here, and not to be had on the hub"):
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            repo_id, revision=revision, allow_patterns=[CONFIG, WEIGHTS, STITCHES, LATENCY], library_name=LIBRARY
        )
    if not (Path(folder) / CONFIG).is_file():
        raise InputError(f"{where}: no saved SN-Net, for it has no {CONFIG}")
    return Path(folder)


def push(net: "SNNet", repo_id: str, revision: str | None, private: bool | None, commit_message: str) -> str:
    """Save a network on the hub; arguments and errors as of ``SNNet.push_to_hub``."""
    from snnet_lightning.saved.save import save_network

    with _told_of(f"{repo_id}: cannot be saved on the hub"), TemporaryDirectory() as temporary:
        from huggingface_hub import HfApi

        api, folder = HfApi(library_name=LIBRARY), Path(temporary) / "net"
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        save_network(net, folder, loaded_by=repo_id)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        return str(
            api.upload_folder(repo_id=repo_id, folder_path=folder, revision=revision, commit_message=commit_message)
        )


@contextmanager
def _told_of(failure: str) -> Iterator[None]:
    """One line for whatever the hub, or the way to it, has against it."""
    try:
        yield
    except ImportError as error:
        if not (error.name or "").startswith("huggingface_hub"):
            raise
        raise InputError(f"{failure}: that needs pip install 'snnet_lightning[hub]'") from error
    except InputError:
        raise
    except Exception as error:  # of the hub's library, of httpx below it, and of the system below that
        of_the_way = type(error).__module__.startswith(("huggingface_hub", "httpx", "httpcore", "requests"))
        if not of_the_way and not isinstance(error, OSError):
            raise
        raise InputError(f"{failure}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300] or type(error).__name__
