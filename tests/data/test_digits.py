"""The digits: a fixed split of real images."""

import pytest
import torch
from sklearn.datasets import load_digits

from snnet_lightning.anchors.digits import MEAN, STD
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw
from snnet_lightning.errors import InputError


def keys(dataset):
    """Every image with its class, as something that can be compared."""
    return [(tuple(x.flatten().tolist()), int(y)) for x, y in zip(dataset.images, dataset.classes, strict=True)]


def test_the_halves_are_all_images_split_and_stratified():
    train, test = DigitsDataset(train=True), DigitsDataset(train=False)
    assert (len(train), len(test)) == (1257, 540)
    images, classes = load_digits(return_X_y=True)
    everything = [(tuple(x), int(y)) for x, y in zip((images / 16).tolist(), classes, strict=True)]
    assert sorted(keys(train) + keys(test)) == sorted(everything)
    shares = train.classes.bincount() / torch.tensor(classes).bincount()
    assert (shares - 0.7).abs().max() < 0.01


def test_the_split_does_not_depend_on_a_seed():
    torch.manual_seed(1)
    first = DigitsDataset(train=False)
    torch.manual_seed(2)
    second = DigitsDataset(train=False)
    assert keys(first) == keys(second)


def test_mean_and_std_are_those_of_the_training_images():
    images = DigitsDataset(train=True).images
    assert images.mean().item() == pytest.approx(MEAN, abs=5e-4)
    assert images.std().item() == pytest.approx(STD, abs=5e-4)
    assert (images.min(), images.max()) == (0, 1)


def test_input_size_resizes_and_repeats_the_channel():
    small, large = DigitsDataset(train=False), DigitsDataset(train=False, input_size=(3, 32, 32))
    image, label = large[Draw(5)]
    assert image.shape == (3, 32, 32)
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])
    assert label == small[Draw(5)][1]
    shrunk = image[0].reshape(8, 4, 8, 4).mean((1, 3))  # the same picture, seen from afar
    correlation = torch.corrcoef(torch.stack([shrunk.flatten(), small[Draw(5)][0].flatten()]))[0, 1]
    assert correlation > 0.95


def test_items_come_alone_as_in_a_batch():
    dataset = DigitsDataset(train=False)
    batch = dataset.__getitems__([Draw(3), Draw(1)])
    assert torch.equal(batch[0][0], dataset[Draw(3)][0])
    assert batch[1][1] == dataset[Draw(1)][1]
    torch.testing.assert_close(dataset[Draw(3)][0], (dataset.images[3] - MEAN) / STD)


def test_loaders():
    data = DigitsDataModule(batch_size=100)
    data.setup()
    assert [len(y) for _, y in data.train_dataloader()] == [100] * 12  # the odd rest is dropped
    assert sum(len(y) for _, y in data.test_dataloader()) == 540
    in_order = torch.cat([y for _, y in data.test_dataloader()])
    assert torch.equal(in_order, data.test_set.classes)
    assert torch.equal(in_order, torch.cat([y for _, y in data.val_dataloader()]))
    seen = torch.cat([y for _, y in data.initialisation_dataloader()])
    assert len(seen) == 1257
    assert not torch.equal(seen, data.train_set.classes)


@pytest.mark.parametrize("batch_size", [0, 1258])
def test_a_batch_must_fit_the_training_half(batch_size):
    with pytest.raises(InputError, match=f"data.batch_size={batch_size}: must be 1 to 1257"):
        DigitsDataModule(batch_size=batch_size).setup()
