"""The same images as class folders, tar files and WebDataset shards."""

import tarfile
from collections import Counter

import pytest
import torch
from timm.data import create_dataset
from torch.utils.data import DataLoader
from torchvision.transforms.functional import pil_to_tensor

from snnet_lightning.data.streams import EvaluationStream

READABLE = 14  # of val


def write_tars(tree, root):
    for split in ("train", "val"):
        with tarfile.open(root / f"{split}.tar", "w") as tar:
            tar.add(tree / split, arcname=".")


@pytest.fixture
def tars(imagenet_tree, tmp_path):
    write_tars(imagenet_tree, tmp_path)
    return {"root": str(tmp_path)}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("form", ["tars", "shards"])
def test_scores_are_those_of_the_folders(form, workers, make_data, make_trainer, tiny_module, request):
    def scores(**options):
        make_trainer().test(tiny_module, datamodule=make_data(**options), verbose=False)
        return tiny_module.scores

    expected = scores()
    assert {score.images for score in expected} == {READABLE}
    assert len({score.loss for score in expected}) == len(expected) > 2
    for found, score in zip(scores(**request.getfixturevalue(form), num_workers=workers), expected, strict=True):
        assert (found.acc1, found.acc5, found.images) == (score.acc1, score.acc5, READABLE)
        assert found.loss == pytest.approx(score.loss, rel=1e-6)


def pixels(image):
    return pil_to_tensor(image.resize((32, 32)))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_processes_share_shards_without_loss_and_equally(shards, world, workers):
    counts, seen = [], Counter()
    for rank in range(world):
        images = create_dataset("wds/", root=shards["root"], split=shards["val_split"])
        images.transform = pixels
        stream = EvaluationStream(images, (3, 32, 32), rank, world)
        items = list(DataLoader(stream, batch_size=None, num_workers=workers))
        counts.append(len(items))
        seen.update(item.image.numpy().tobytes() for item in items if item.label != -1)
    assert len(set(counts)) == 1
    assert len(seen) == READABLE
    assert set(seen.values()) == {1}
    assert sum(counts) - READABLE < world * max(1, workers)


@pytest.mark.parametrize("form", ["tars", "shards"])
def test_training_takes_two_steps(form, make_data, make_trainer, tiny_module, request):
    data = make_data(
        **request.getfixturevalue(form),
        augmentation={"auto_augment": "rand-m9-mstd0.5-inc1"},
        erasing={"probability": 0.5},
        mixup={"mixup_alpha": 0.8},
        num_workers=2,
    )
    before = [p.detach().clone() for p in tiny_module.net.parameters()]
    trainer = make_trainer(max_epochs=1, limit_train_batches=2, limit_val_batches=1)
    trainer.fit(tiny_module, datamodule=data)
    assert trainer.global_step == 2
    assert any(not torch.equal(p, old) for p, old in zip(tiny_module.net.parameters(), before, strict=True))
    assert all(p.isfinite().all() for p in tiny_module.net.parameters())


@pytest.mark.parametrize("workers", [0, 2])
def test_training_from_shards_follows_from_seed_and_epoch(shards, make_data, workers):
    def loader(seed=1):
        options = {"augmentation": {"auto_augment": "rand-m9-mstd0.5-inc1"}, "num_workers": workers}
        return make_data(**shards, **options, seed=seed).train_dataloader()

    def drawn(loader, epoch):
        loader.sampler.set_epoch(epoch)
        return torch.stack([batch.images for batch in loader])

    uninterrupted = loader()
    first, second = drawn(uninterrupted, 0), drawn(uninterrupted, 1)
    assert not torch.equal(first, second)
    assert torch.equal(drawn(loader(), 0), first)
    assert torch.equal(drawn(loader(), 1), second)  # as a run that was killed in between
    assert not torch.equal(drawn(loader(seed=2), 0), first)


def test_images_for_the_initialisation_come_from_shards_as_they_are(shards, make_data):
    batches = list(make_data(**shards, augmentation={"auto_augment": "3a"}).initialisation_dataloader())
    labels = torch.cat([batch.labels for batch in batches])
    assert sorted(labels.tolist()) == [0] * 6 + [1] * 5 + [2] * 6
    assert not any(batch.training for batch in batches)


def test_shards_that_do_not_tell_their_classes(shards, make_data):
    with pytest.raises(ValueError, match=r"data\.num_classes must be said: data\.reader=wds/"):
        make_data(**shards | {"num_classes": None})
