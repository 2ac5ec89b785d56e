"""Images from file to batch: what the anchors get, what is random about it, what cannot be read."""

import logging

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, create_transform

from snnet_lightning.errors import InputError

RAND_AUGMENT = {"auto_augment": "rand-m9-mstd0.5-inc1", "color_jitter": 0.3}


def finished(data, loader):
    """Batches as the model gets them: (images, targets)."""
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def epoch(data, number=0):
    """The raw batches of a training epoch."""
    loader = data.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(number)
    return list(loader)


def same(left, right):
    """Bitwise."""
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) and a.seed == b.seed
        for a, b in zip(left, right, strict=True)
    )


def test_training_batches(make_data):
    data = make_data(augmentation=RAND_AUGMENT)
    assert data.num_classes == 3
    batches = epoch(data)
    assert [batch.images.shape for batch in batches] == [(4, 3, 32, 32)] * 4  # 18 images; the odd rest is dropped
    for raw, (images, targets) in zip(batches, finished(data, batches), strict=True):
        assert raw.images.dtype == torch.uint8
        assert (images.dtype, targets.dtype) == (torch.float32, torch.int64)
        mean, std = (torch.tensor(x).view(3, 1, 1) for x in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
        torch.testing.assert_close(images * std + mean, raw.images / 255)
        assert set(targets.tolist()) <= {0, 1, 2}


def test_evaluation_images_are_those_of_timms_own_transform(make_data, imagenet_tree):
    data = make_data()
    transform = create_transform(  # deit's configuration, with ToTensor and Normalize
        (3, 32, 32),
        use_prefetcher=False,
        mean=IMAGENET_DEFAULT_MEAN,
        std=IMAGENET_DEFAULT_STD,
        interpolation="bicubic",
        crop_pct=0.9,
    )
    images, targets = map(torch.cat, zip(*finished(data, data.test_dataloader()), strict=True))
    files = sorted((imagenet_tree / "val").rglob("*.jpg"))
    assert len(files) == len(images) == 15
    seen = {int(label): [] for label in (-1, 0, 1, 2)}
    for image, target in zip(images, targets.tolist(), strict=True):
        seen[target].append(image)
    assert [len(seen[label]) for label in (-1, 0, 1, 2)] == [1, 5, 4, 5]
    for label, name in enumerate(("ant", "bee", "cat")):
        sound = [file for file in files if file.parent.name == name and "corrupt" not in file.name]
        expected = torch.stack([transform(Image.open(file).convert("RGB")) for file in sound])
        torch.testing.assert_close(torch.stack(seen[label]), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_read_is_named_and_skipped(make_data, imagenet_tree, caplog, workers):
    data = make_data(num_workers=workers, batch_size=3)
    with caplog.at_level(logging.WARNING):
        batches = finished(data, epoch(data))
        targets = torch.cat([targets for _, targets in batches])
        assert sorted(targets.tolist()) == [0] * 6 + [1] * 6 + [2] * 6  # full batches: the next image took the place
        evaluated = torch.cat([targets for _, targets in finished(data, data.test_dataloader())])
        finished(data, data.test_dataloader())  # named once
    assert sorted(evaluated.tolist()) == [-1] + [0] * 5 + [1] * 4 + [2] * 5
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("snnet_lightning")]
    assert len(lines) == 2
    for line, split in zip(lines, ("train", "val"), strict=True):
        assert str(imagenet_tree / split / "bee" / "corrupt_2.jpg") in line
    assert lines[1].endswith("(not an image)")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_file_that_cannot_be_read_is_refused(make_data, make_trainer, tiny_module, split, workers):
    data = make_data(num_workers=workers, unreadable="refuse", batch_size=3)
    trainer = make_trainer(max_epochs=1, limit_val_batches=0, num_sanity_val_steps=0)
    run = trainer.fit if split == "train" else trainer.test
    with pytest.raises(InputError, match=rf"{split}/bee/corrupt_2\.jpg .*cannot be read; data\.unreadable=skip"):
        run(tiny_module, datamodule=data)


def test_mixup_is_timms_formula(make_data):
    data = make_data(mixup={"mixup_alpha": 0.8, "cutmix_alpha": 0.0})
    plain = make_data()
    for batch in epoch(data):
        images, targets = data.on_after_batch_transfer(batch, 0)
        raw, labels = plain.on_after_batch_transfer(batch, 0)
        random = np.random.RandomState(batch.seed)
        random.rand()  # whether to mix at all
        share = random.beta(0.8, 0.8)
        torch.testing.assert_close(images, share * raw + (1 - share) * raw.flip(0))
        hot = F.one_hot(labels, 3).float()
        torch.testing.assert_close(targets, share * hot + (1 - share) * hot.flip(0))


def test_cutmix_gives_classes_by_area(make_data):
    data = make_data(mixup={"mixup_alpha": 0.0, "cutmix_alpha": 1.0})
    shares = []
    for batch in epoch(data):
        images, targets = data.on_after_batch_transfer(batch, 0)
        raw, labels = make_data().on_after_batch_transfer(batch, 0)
        own, other = (images == raw).all(1), (images == raw.flip(0)).all(1)
        assert (own | other).all()
        pasted = ~own.all(0)  # one box for the whole batch; equal pixels on both sides hide it nowhere altogether
        share = 1 - pasted.double().mean().item()
        hot = F.one_hot(labels, 3).float()
        torch.testing.assert_close(targets, share * hot + (1 - share) * hot.flip(0), atol=1e-6, rtol=0)
        shares.append(share)
    assert len(set(shares)) == 4


def test_erasing_changes_some_pixels_only(make_data):
    erasing, plain = make_data(erasing={"probability": 1.0, "mode": "pixel"}), make_data()
    batch = epoch(plain)[0]
    erased, targets = erasing.on_after_batch_transfer(batch, 0)
    images, labels = plain.on_after_batch_transfer(batch, 0)
    changed = (erased != images).any(1).flatten(1).double().mean(1)
    assert (changed > 0.01).all()
    assert (changed < 0.5).all()
    assert torch.equal(targets, labels)
    assert torch.equal(erasing.on_after_batch_transfer(batch, 0)[0], erased)


def test_evaluation_is_neither_erased_nor_mixed(make_data):
    data = make_data(erasing={"probability": 1.0}, mixup={"mixup_alpha": 0.8}, augmentation=RAND_AUGMENT, repeats=3)
    for loaders in ("test_dataloader", "val_dataloader", "initialisation_dataloader"):
        plain = make_data()
        augmented, expected = (finished(d, getattr(d, loaders)()) for d in (data, plain))
        for (images, targets), (raw, labels) in zip(augmented, expected, strict=True):
            assert torch.equal(images, raw)
            assert torch.equal(targets, labels)


def test_one_split_for_both_is_evaluated_without_augmentation(make_data):
    data = make_data(val_split="train", augmentation=RAND_AUGMENT)
    for batch, expected in zip(data.test_dataloader(), make_data(val_split="train").test_dataloader(), strict=True):
        assert not batch.training
        assert torch.equal(batch.images, expected.images)


def test_repeated_augmentation(make_data):
    data = make_data(repeats=3, batch_size=6, augmentation=RAND_AUGMENT)
    plain = make_data(batch_size=6)
    draws = list(data.train_dataloader().batch_sampler.sampler)
    assert [draw.index for draw in draws] == [index for index in dict.fromkeys(d.index for d in draws) for _ in "abc"]
    batches = epoch(data)
    assert len(batches) == len(epoch(plain)) == 3  # no longer than without
    images = torch.cat([batch.images for batch in batches])
    labels = torch.cat([batch.labels for batch in batches])
    different = 0
    for start in range(0, 18, 3):
        assert len(set(labels[start : start + 3].tolist())) == 1
        different += len({image.numpy().tobytes() for image in images[start : start + 3]}) == 3
    assert different >= 5  # the image of a single pixel may look the same again


def test_the_same_batches_with_any_number_of_workers(make_data):
    options = {"augmentation": RAND_AUGMENT, "seed": 3}
    alone, helped = make_data(**options), make_data(**options, num_workers=2)
    torch.manual_seed(1)
    first = epoch(alone)
    torch.manual_seed(2)
    assert same(first, epoch(helped))
    assert same(first, epoch(alone))
    loader = helped.train_dataloader()  # its workers live on from epoch to epoch
    list(loader)
    loader.batch_sampler.sampler.set_epoch(1)
    assert same(epoch(alone, 1), list(loader))


def test_another_epoch_or_seed_gives_other_batches(make_data):
    data, other = make_data(seed=3), make_data(seed=4)
    first = epoch(data)
    for batches in (epoch(data, 1), epoch(other)):
        assert not any(torch.equal(a.images, b.images) for a, b in zip(first, batches, strict=True))
        assert not {batch.seed for batch in first} & {batch.seed for batch in batches}


def test_augmentation_depends_on_the_draw_and_not_on_what_was_drawn_before(make_data):
    data = make_data(augmentation=RAND_AUGMENT)
    draws = list(data.train_dataloader().batch_sampler.sampler)
    forwards = [data.train_set[draw].image for draw in draws]
    backwards = [data.train_set[draw].image for draw in reversed(draws)]
    assert all(torch.equal(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))
    again = data.train_set[draws[0]._replace(seed=draws[0].seed + 1)].image
    assert not torch.equal(again, forwards[0])


@pytest.mark.parametrize(
    ("had", "workers"),
    [(0, 0), (1, 0), (3, 0), (1, 2), *(pytest.param(had, 2, marks=pytest.mark.slow) for had in (0, 3))],
)
def test_a_loader_resumes_with_exactly_the_batches_that_are_left(make_data, had, workers):
    options = {"augmentation": RAND_AUGMENT, "num_workers": workers}
    whole = epoch(make_data(**options), 2)

    killed = make_data(**options).train_dataloader()
    killed.batch_sampler.sampler.set_epoch(2)
    batches = iter(killed)
    for _ in range(had):
        next(batches)
    state = killed.state_dict()
    assert state == {"epoch": 2, "batches": had}
    batches.close()  # else its workers end when the garbage collector finds it, which then waits for them

    resumed = make_data(**options).train_dataloader()
    resumed.load_state_dict(state)
    resumed.batch_sampler.sampler.set_epoch(2)
    assert same(whole[had:], list(resumed))
    resumed.batch_sampler.sampler.set_epoch(3)  # and the next epoch is whole again
    assert same(epoch(make_data(**options), 3), list(resumed))


@pytest.mark.parametrize("precision", ["bf16-true", "64-true", "bf16-mixed", "32-true"])
def test_every_precision_trains_and_tests(make_data, make_trainer, tiny_module, precision):
    data = make_data(mixup={"mixup_alpha": 0.8}, erasing={"probability": 0.5})
    trainer = make_trainer(precision=precision, max_epochs=1, limit_train_batches=2, limit_val_batches=1)
    trainer.fit(tiny_module, datamodule=data)
    trainer.test(tiny_module, datamodule=data, verbose=False)
    assert trainer.global_step == 2
    dtype = {"bf16-true": torch.bfloat16, "64-true": torch.float64}.get(precision, torch.float32)
    assert {parameter.dtype for parameter in tiny_module.net.parameters()} == {dtype}
    assert all(torch.tensor(score.loss).isfinite() for score in tiny_module.scores)
