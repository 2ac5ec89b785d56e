"""Image files and streams through a real Trainer: precisions, batches to overfit, evaluations that go on."""

import lightning as L
import pytest
import torch
import torch.nn.functional as F

from snnet_lightning.callbacks import ContinueEvaluation, InitialiseStitchingLayers

AUGMENTED = {
    "augmentation": {"auto_augment": "rand-m9-mstd0.5-inc1"},
    "erasing": {"probability": 0.5},
    "mixup": {"mixup_alpha": 0.8, "cutmix_alpha": 1.0},
}


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16-true", torch.bfloat16), ("64-true", torch.float64), ("bf16-mixed", torch.float32)]
)
def test_images_and_shares_of_classes_come_in_the_precision_of_the_trainer(
    make_data, make_trainer, tiny_module, precision, dtype
):
    seen, targets = set(), set()
    tiny_module.net.anchors[0].model.patch_embed.proj.register_forward_pre_hook(
        lambda module, inputs: seen.add(inputs[0].dtype)
    )
    tiny_module.loss.register_forward_pre_hook(lambda module, inputs: targets.add(inputs[1].dtype))
    options = {"precision": precision, "callbacks": [InitialiseStitchingLayers(samples=8)]}
    trainer = make_trainer(max_epochs=1, limit_train_batches=4, limit_val_batches=1, **options)
    trainer.fit(tiny_module, datamodule=make_data(**AUGMENTED))
    assert targets == seen == {dtype}
    assert trainer.callback_metrics["train/loss"].isfinite()
    trainer.test(tiny_module, datamodule=make_data(), verbose=False)
    assert seen == {dtype}
    assert {score.images for score in tiny_module.scores} == {14}


@torch.no_grad()
def test_losses_are_summed_in_float64_whatever_the_precision(make_data, make_trainer, tiny_module):
    data = make_data()
    trainer = make_trainer(precision="bf16-true")
    trainer.test(tiny_module, datamodule=data, verbose=False)
    images, classes = map(
        torch.cat, zip(*(data.on_after_batch_transfer(batch, 0) for batch in data.test_dataloader()), strict=True)
    )
    for stitch, score in zip(tiny_module.net.space, tiny_module.scores, strict=True):
        logits = tiny_module.net.eval()(images.bfloat16(), stitch).double()
        expected = F.cross_entropy(logits, classes, ignore_index=-1).item()
        assert score.loss == pytest.approx(expected, rel=1e-3)  # a sum of bfloat16 has two digits


class Watch(L.Callback):
    """Notes images and targets of every training batch."""

    def __init__(self):
        self.images, self.targets = [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.images.append(batch[0])
        self.targets.append(batch[1])


@pytest.mark.parametrize("form", ["folders", "shards"])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_to_overfit_are_the_same_in_every_epoch(make_data, make_trainer, tiny_module, form, workers, request):
    """With their augmentation."""
    options = request.getfixturevalue("shards") if form == "shards" else {}
    watch = Watch()
    trainer = make_trainer(max_epochs=3, overfit_batches=2, callbacks=[watch])
    trainer.fit(tiny_module, datamodule=make_data(**options, **AUGMENTED, num_workers=workers))
    images, targets = (torch.stack(found).unflatten(0, (3, 2)) for found in (watch.images, watch.targets))
    assert not torch.equal(images[0, 0], images[0, 1])
    for epoch in (1, 2):
        assert torch.equal(images[epoch], images[0])
        assert torch.equal(targets[epoch], targets[0])


class StoppedError(Exception):
    pass


class Count(L.Callback):
    """Counts the batches of a test, and ends it after so many of them."""

    def __init__(self, after):
        self.after, self.seen = after, 0

    def on_test_batch_end(self, *_):
        self.seen += 1
        if self.seen == self.after:
            raise StoppedError


@pytest.mark.parametrize("form", ["folders", "shards"])
@pytest.mark.parametrize(
    ("limit", "after", "workers"),
    [
        *((limit, after, 0) for limit, after in ((1.0, 2), (3, 2), (3, 3))),
        (3, 2, 2),
        *(pytest.param(limit, after, 2, marks=pytest.mark.slow) for limit, after in ((1.0, 2), (3, 3))),
    ],
)
def test_an_evaluation_goes_on_with_the_batches_that_are_left(
    make_data, make_trainer, tiny_module, tmp_path, form, workers, limit, after, request
):
    options = request.getfixturevalue("shards") if form == "shards" else {}

    def evaluate(after):
        count = Count(after)
        trainer = make_trainer(callbacks=[ContinueEvaluation(str(tmp_path), 0), count], limit_test_batches=limit)
        data = make_data(**options, batch_size=4, num_workers=workers)
        trainer.test(tiny_module, datamodule=data, verbose=False)
        return tiny_module.scores, count.seen

    whole, batches = evaluate(None)
    assert batches > 2
    with pytest.raises(StoppedError):
        evaluate(after)
    assert evaluate(None) == (whole, batches - after)
