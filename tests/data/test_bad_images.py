"""Images that cannot be served: the error says what is wrong and what would be right."""

import shutil
import sys

import pytest

from snnet_lightning.data.image_files import check_class_folders
from snnet_lightning.errors import InputError

SHARDS = {"reader": "wds/", "train_split": "train-{0..1}.tar|18", "val_split": "val-{0..1}.tar|15"}


@pytest.fixture
def tree(imagenet_tree, tmp_path):
    """A copy, to be spoilt."""
    return shutil.copytree(imagenet_tree, tmp_path / "images")


@pytest.fixture
def refused(make_data, tree):
    def check(says, **options):
        with pytest.raises(InputError, match=says) as found:
            make_data(**{"root": str(tree)} | options)
        assert "\n" not in str(found.value)

    return check


def test_no_such_root(refused, tmp_path):
    refused("data.root=.*/nowhere: there is no such folder", root=str(tmp_path / "nowhere"))


def test_no_val(refused, tree):
    shutil.rmtree(tree / "val")
    refused(r"images: has no val/ \(class folders\) and no val\.tar; set data\.{train,val}_split")


def test_no_class_folders(refused, tree):
    shutil.rmtree(tree / "train")
    (tree / "train").mkdir()
    refused("images/train has no class folders")


def test_an_empty_class_folder(refused, tree):
    shutil.rmtree(tree / "val" / "bee")
    (tree / "val" / "bee").mkdir()
    refused("images/val/bee: the class folder has no images")


def test_an_image_that_lies_deeper(refused, tree):
    (tree / "train" / "bee" / "2019").mkdir()
    next((tree / "train" / "bee").glob("*.*")).rename(tree / "train" / "bee" / "2019" / "1.png")
    refused("images/train/bee/2019/1.png: must lie in .*images/train/bee itself")


def test_an_image_that_lies_in_no_class_folder(refused, tree):
    next((tree / "val" / "bee").glob("*.*")).rename(tree / "val" / "1.png")
    refused("images/val/1.png: lies in no class folder")


def test_images_that_are_not_read(tree, caplog):
    next((tree / "val" / "bee").glob("*.*")).rename(tree / "val" / "bee" / "1.webp")
    check_class_folders(tree / "train", tree / "val")
    assert "images/val/bee: 1 images are not read, for they are not .jpeg, .jpg, .png" in caplog.text


def test_classes_that_differ(refused, tree):
    (tree / "val" / "bee").rename(tree / "val" / "wasp")
    refused("classes of the splits differ: only .*images/train has bee; only .*images/val has wasp")


@pytest.mark.parametrize("batch_size", [0, 19])
def test_a_batch_that_does_not_fit_the_data(refused, batch_size):
    refused(f"data.batch_size={batch_size}: must be 1 to 18, the training images", batch_size=batch_size)


def test_an_odd_batch_to_mix(refused):
    refused("data.batch_size=3: must be even, since mixup pairs", batch_size=3, mixup={"mixup_alpha": 0.8})


def test_a_reader_that_does_not_exist(refused):
    refused("data.reader=wsd/: must be empty or begin with one of wds/, hfds/", reader="wsd/")


def test_a_reader_whose_package_is_not_installed(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    refused("data.reader=hfds/x data.root=.*: .*datasets", reader="hfds/x")


def test_shards_without_a_number_of_classes(refused, tree):
    for split in ("train", "val"):
        for shard in range(2):
            (tree / f"{split}-{shard}.tar").touch()
    refused("data.num_classes must be said: data.reader=wds/", **SHARDS)


def test_shards_that_do_not_exist(refused):
    refused(r"images: there is no shard .*/train-0\.tar; see data\.train_split", **SHARDS, num_classes=3)


def test_shards_of_an_unknown_split(refused):
    refused("data.reader=wds/ data.root=.*split train.*train not found", reader="wds/", num_classes=3)


def test_shards_of_unknown_number(refused):
    refused("data.reader=wds/.*num_samples", **SHARDS | {"train_split": "train-{0..1}.tar"}, num_classes=3)


@pytest.mark.parametrize("key", ["augmentation", "erasing", "mixup"])
def test_a_keyword_that_timm_does_not_have(refused, key):
    refused(f"data.{key}: .*colour", **{key: {"colour": 1}})


def test_a_training_set_without_readable_images(make_data, tree):
    for file in (tree / "train").rglob("*.jpg"):
        file.write_bytes(b"text")
    data = make_data(root=str(tree))
    with pytest.raises(InputError, match=r"train/.*\.jpg \(not an image\) and the 9 images before it cannot be read"):
        data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
