"""A DataModule knows its classes and preprocessing as soon as it is made, and can be made again from a checkpoint."""

import json
import shutil

import lightning as L
import pytest
import torch
import torch.distributed as dist
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch.testing._internal.distributed.fake_pg import FakeStore

from snnet_lightning.anchors.digits import MEAN, STD
from snnet_lightning.data import DigitsDataModule, ImageDataModule, JpegDigitsDataModule
from snnet_lightning.errors import InputError

DEITS = ["deit_tiny_patch16_224", "deit_small_patch16_224"]
TEN = tuple("0123456789")


SMALL = {"input_size": (3, 32, 32), "anchors": DEITS, "batch_size": 4}


def images(root, **options):
    return ImageDataModule(**{"root": str(root)} | SMALL | options)


def known(data):
    return data.num_classes, data.class_names


@pytest.mark.parametrize("channels", [1, 3])
def test_digits(channels):
    data = DigitsDataModule((channels, 16, 16))
    assert known(data) == (10, TEN)
    expected = {"mean": [MEAN] * channels, "std": [STD] * channels, "interpolation": "bicubic", "crop_pct": 1.0}
    assert data.preprocessing == expected


def test_jpeg_digits_before_they_are_written(tmp_path):
    data = JpegDigitsDataModule(str(tmp_path / "digits"), input_size=[1, 64, 64], anchors=DEITS, batch_size=4)
    assert known(data) == (10, TEN)
    assert len(data.preprocessing["mean"]) == 1
    assert not (tmp_path / "digits").exists()
    data.prepare_data()
    data.setup()
    assert data.train_set.images.reader.class_to_idx == {name: int(name) for name in TEN}


def test_jpeg_digits_are_not_taken_for_what_else_is_there(imagenet_tree):
    data = JpegDigitsDataModule(str(imagenet_tree), input_size=[3, 64, 64], anchors=DEITS, batch_size=4)
    with pytest.raises(
        InputError, match=rf"^data\.root={imagenet_tree}: holds no JPEG digits; data=imagefolder serves"
    ):
        data.prepare_data()


def test_class_folders(imagenet_tree, tmp_path):
    assert known(images(imagenet_tree)) == (3, ("ant", "bee", "cat"))
    assert images(imagenet_tree).preprocessing == {
        "mean": list(IMAGENET_DEFAULT_MEAN),
        "std": list(IMAGENET_DEFAULT_STD),
        "interpolation": "bicubic",
        "crop_pct": 0.9,
    }
    for split in ("train", "val"):
        for name in ("n10", "n9", "N100"):
            shutil.copytree(imagenet_tree / split / "ant", tmp_path / split / name)
    data = images(tmp_path, num_workers=0)
    assert data.class_names == ("n9", "n10", "N100")  # numbers in names count as numbers
    data.setup()
    for path, label in data.test_set.images.reader.samples:
        assert f"/{data.class_names[label]}/" in path


def test_tars(tars):
    assert known(images(**tars)) == (3, ("ant", "bee", "cat"))


def test_streams_know_what_was_said(shards):
    assert known(images(**shards)) == (3, None)
    with pytest.raises(InputError, match=r"data\.num_classes must be said: data\.reader=wds/"):
        _ = images(**shards | {"num_classes": None}).num_classes


def test_files_are_walked_once(imagenet_tree, tmp_path):
    root = shutil.copytree(imagenet_tree, tmp_path / "images")
    data = images(root, num_workers=0)
    assert data.num_classes == 3
    shutil.rmtree(root)
    for stage in ("fit", "test"):
        data.setup(stage)
        assert (len(data.train_set), len(data.test_set)) == (18, 15)


def test_streams_are_shared_among_the_processes_of_the_setup(shards):
    data = images(**shards, num_workers=0)
    assert data.num_classes == 3  # asked before the processes know each other
    dist.init_process_group("fake", store=FakeStore(), rank=1, world_size=2)
    try:
        data.setup()
    finally:
        dist.destroy_process_group()
    reader = data.train_set.images.reader
    assert (reader.dist_rank, reader.dist_num_replicas) == (1, 2)


MADE = {
    "digits": lambda root: DigitsDataModule((1, 8, 8), batch_size=32, seed=3),
    "jpeg digits": lambda root: JpegDigitsDataModule(str(root / "digits"), **SMALL, mean=[0.5]),
    "images": lambda root: ImageDataModule(
        str(root / "images"), **SMALL, mixup={"mixup_alpha": 0.8}, std=[0.1, 0.2, 0.3]
    ),
}


class Nothing(L.LightningModule):
    def training_step(self, batch, batch_idx):
        return None

    def configure_optimizers(self):
        return None


@pytest.mark.parametrize("kind", MADE)
def test_arguments_are_in_checkpoints_as_plain_values(kind, tmp_path, imagenet_tree, make_trainer):
    shutil.copytree(imagenet_tree, tmp_path / "images")
    data = MADE[kind](tmp_path)
    trainer = make_trainer(max_epochs=0)
    trainer.fit(Nothing(), datamodule=data)
    trainer.save_checkpoint(tmp_path / "some.ckpt")
    content = torch.load(tmp_path / "some.ckpt", weights_only=True)
    saved = content["datamodule_hyper_parameters"]
    assert json.loads(json.dumps(saved)) == saved
    assert "options" not in saved
    again = type(data)(**saved)
    assert dict(again.hparams) == saved
    assert (again.identity, again.preprocessing, *known(again)) == (data.identity, data.preprocessing, *known(data))
    assert saved["input_size"] == list(data.input_size)
    assert saved["batch_size"] == data.batch_size
