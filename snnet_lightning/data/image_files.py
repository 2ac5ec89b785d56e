"""Where the images of a split lie, checked before anything is read."""

import os
from collections.abc import Sequence
from pathlib import Path

from timm.data.readers.img_extensions import get_img_extensions

from snnet_lightning.errors import InputError


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

    Raises:
        InputError: a class is missing on one side, or its folder is empty.
    """
    folders = [path for path in (train, test) if path.is_dir()]
    classes = [{child.name for child in folder.iterdir() if child.is_dir()} for folder in folders]
    for folder, names in zip(folders, classes, strict=True):
        if not names:
            raise InputError(f"{folder} has no class folders")
        for name in sorted(names):
            if not _has_image(folder / name):
                raise InputError(f"{folder / name}: the class folder has no images")
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


def _has_image(folder: Path) -> bool:
    extensions = get_img_extensions(as_set=True)
    return any(file.suffix.lower() in extensions for file in folder.rglob("*"))
