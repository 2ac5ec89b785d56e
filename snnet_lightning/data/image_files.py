"""Where the images of a split lie, checked before anything is read."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from timm.data.readers.img_extensions import get_img_extensions

from snnet_lightning.errors import InputError

log = logging.getLogger(__name__)


def split_path(root: str, split: str) -> Path:
    """The folder of a split, or its tar file.

    Raises:
        InputError: there is no such root, or neither ``root/split/`` nor ``root/split.tar``.
    """
    if not Path(root).is_dir():
        raise InputError(f"data.root={root}: there is no such folder")
    folder, archive = Path(root) / split, Path(root) / f"{split}.tar"
    if folder.is_dir():
        return folder
    if archive.is_file():
        return archive
    raise InputError(
        f"data.root={root}: has no {split}/ (class folders) and no {split}.tar; set data.{{train,val}}_split"
    )


def check_class_folders(train: Path, test: Path) -> None:
    """Check that both splits have the same classes, all with images; tar files are not looked into.

    Warns of images in formats that timm does not read.

    Raises:
        InputError: a class is missing on one side, its folder is empty, or an image does not lie in a class folder
            itself, so that timm would name another class by where it lies.
    """
    folders = [path for path in (train, test) if path.is_dir()]
    classes = [{child.name for child in folder.iterdir() if child.is_dir()} for folder in folders]
    for folder, names in zip(folders, classes, strict=True):
        if not names:
            raise InputError(f"{folder} has no class folders")
        read = get_img_extensions(as_set=True)
        for file in folder.iterdir():
            if file.suffix.lower() in read and file.is_file():
                raise InputError(f"{file}: lies in no class folder")
        for name in sorted(names):
            _check_class_folder(folder / name)
    if len(classes) == 2 and classes[0] != classes[1]:
        sides = ((train, classes[0] - classes[1]), (test, classes[1] - classes[0]))
        only = "; ".join(f"only {path} has {', '.join(sorted(names)[:4])}" for path, names in sides if names)
        raise InputError(f"the classes of the splits differ: {only}")


def check_shards(root: str, shards: Sequence[str]) -> None:
    """Check that the shards are there; addresses are not asked.

    Raises:
        InputError: a file is missing.
    """
    for path in (os.path.join(root, shard) for shard in shards):
        if ":" not in path and not Path(path).is_file():
            raise InputError(f"data.root={root}: there is no shard {path}; see data.train_split and data.val_split")


def _check_class_folder(folder: Path) -> None:
    read = get_img_extensions(as_set=True)
    with os.scandir(folder) as entries:  # tells folders from files without asking for each of a million
        found = {entry.name: entry.is_dir() for entry in entries}
    inner, names = ([name for name, is_folder in found.items() if is_folder == wanted] for wanted in (True, False))
    for deeper in (file for name in inner for file in (folder / name).rglob("*") if file.suffix.lower() in read):
        raise InputError(f"{deeper}: must lie in {folder} itself, for timm takes the innermost folder for the class")
    suffixes = [Path(name).suffix.lower() for name in names]
    if read.isdisjoint(suffixes):
        raise InputError(f"{folder}: the class folder has no images ({', '.join(sorted(read))})")
    others = Image.registered_extensions().keys() - read
    left_out = sum(suffix in others for suffix in suffixes)
    if left_out:
        log.warning("%s: %d images are not read, for they are not %s", folder, left_out, ", ".join(sorted(read)))
