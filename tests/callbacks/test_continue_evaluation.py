"""Evaluations that are interrupted and go on, against those that are not."""

import logging
import pickle

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from snnet_lightning.anchors import create_anchors
from snnet_lightning.callbacks import ContinueEvaluation
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.model import SNNetModule
from snnet_lightning.network import SNNet
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler
from snnet_lightning.stitch import PairedRule

IMAGES, BATCH, BATCHES = 65, 12, 6


class StoppedError(Exception):
    pass


class Interrupt(L.Callback):
    """Ends a test after so many of its batches, which it counts."""

    def __init__(self, after=None):
        self.after, self.seen = after, 0

    def on_test_batch_end(self, *_):
        self.seen += 1
        if self.seen == self.after:
            raise StoppedError


class Noted(Dataset):
    """A data set that notes which of its images are read."""

    def __init__(self, images, read):
        self.images, self.read = images, read

    def __len__(self):
        return len(self.images)

    def __getitems__(self, draws):
        self.read += [draw.index for draw in draws]
        return self.images.__getitems__(draws)


class Digits(DigitsDataModule):
    """The first test images, and which of them were read, in order."""

    def __init__(self, batch_size=BATCH):
        super().__init__(batch_size=batch_size)
        self.read = []

    def setup(self, stage=None):
        super().setup(stage)
        self.test_set.images = self.test_set.images[:IMAGES]
        self.test_set = Noted(self.test_set, self.read)


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    net = SNNet(create_anchors(["digits_tiny"] * 2, (1, 8, 8), 10, "random", {"depth": 2}), PairedRule()).eval()
    return SNNetModule(net, UniformSampler(1), OptimizerRecipe("adamw", 1e-3))


@pytest.fixture
def evaluate(module, make_trainer, tmp_path):
    """The scores, and how many batches were run for them; None where the evaluation was interrupted."""

    def run(*data, after=None, **options):
        interrupt = Interrupt(after)
        callbacks = [ContinueEvaluation(str(tmp_path), every_seconds=0), interrupt]
        trainer = make_trainer(callbacks=callbacks, **options)
        try:
            trainer.test(module, *(data or [Digits()]), verbose=False)
        except StoppedError:
            return None, interrupt.seen
        return module.scores, interrupt.seen

    return run


@pytest.fixture
def part(tmp_path):
    return tmp_path / "evaluation.0.part"


def test_what_was_counted_is_not_run_again_and_the_scores_are_the_same(evaluate, part):
    whole, seen = evaluate()
    assert seen == BATCHES
    assert evaluate(after=3) == (None, 3)
    assert evaluate(after=1) == (None, 1)
    assert part.is_file()
    assert evaluate() == (whole, BATCHES - 4)
    assert not part.exists()


@pytest.mark.parametrize("after", [2, 4])  # all of them
def test_with_the_same_limit_just_those_batches_count(evaluate, after):
    limited, _ = evaluate(limit_test_batches=4)
    evaluate(after=after, limit_test_batches=4)
    assert evaluate(limit_test_batches=4) == (limited, 4 - after)
    assert {score.images for score in limited} == {4 * BATCH}


@pytest.mark.parametrize(("before", "limit"), [(1.0, 2), (5, 1.0), (1.0, 0.5), (4, 3)])
def test_with_another_limit_the_evaluation_starts_anew(evaluate, before, limit):
    expected, seen = evaluate(limit_test_batches=limit)
    evaluate(after=3, limit_test_batches=before)
    assert evaluate(limit_test_batches=limit) == (expected, seen)


def test_what_other_weights_left_is_not_used(evaluate, module):
    evaluate(after=3)
    bias = module.net.anchors[0].model.head.bias
    with torch.no_grad():
        bias[3] += 1
        _, seen = evaluate()
        bias[3] -= 1
    assert seen == BATCHES


def test_what_other_batches_left_is_not_used(evaluate):
    evaluate(after=3)
    assert evaluate(Digits(batch_size=20))[1] == 4


def test_what_another_precision_left_is_not_used(evaluate):
    evaluate(after=3)
    assert evaluate(precision="bf16-mixed")[1] == BATCHES


def test_images_that_were_counted_are_not_read_again(evaluate):
    first, second = Digits(), Digits()
    evaluate(first, after=4)
    assert first.read[: 4 * BATCH] == list(range(4 * BATCH))
    evaluate(second)
    assert second.read == list(range(4 * BATCH, IMAGES))


def test_an_interrupted_evaluation_leaves_nothing_in_the_module(module, make_trainer):
    whole = make_trainer(callbacks=[])
    whole.test(module, Digits(), verbose=False)
    expected = module.scores
    with pytest.raises(StoppedError):
        make_trainer(callbacks=[Interrupt(3)]).test(module, Digits(), verbose=False)
    make_trainer().test(module, Digits(), verbose=False)
    assert module.scores == expected


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def truncated(content, part):
    part.write_bytes(content[: len(content) // 2])


def text(content, part):
    part.write_text("not a number\n" * 50)


def hostile(content, part):
    part.write_bytes(pickle.dumps(RunsCode(part.with_name("executed"))))


def hostile_inside(content, part):
    torch.save({"identity": "", "batches": RunsCode(part.with_name("executed")), "metrics": {}}, part)


def foreign(content, part):
    torch.save([1, 2], part)


def empty(content, part):
    part.write_bytes(b"")


def changed(**values):
    def write(content, part):
        kept = torch.load(part, weights_only=True)
        torch.save(kept | values, part)

    return write


SPOILT = {
    "empty": empty,
    "truncated": truncated,
    "text": text,
    "hostile": hostile,
    "hostile inside": hostile_inside,
    "foreign": foreign,
    "batches are a word": changed(batches="two"),
    "too many batches": changed(batches=BATCHES + 1),
    "no batches": changed(batches=0),
    "metrics of another name": changed(metrics={"update": torch.zeros(6)}),
    "metrics of another length": changed(
        metrics={name: torch.zeros(3) for name in ("correct1", "correct5", "loss", "images")}
    ),
    "metrics that are none": changed(metrics=None),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_file_that_is_no_state_is_ignored_with_one_line(evaluate, part, caplog, spoil):
    whole, _ = evaluate()
    evaluate(after=3)
    content = part.read_bytes()
    spoil(content, part)
    with caplog.at_level(logging.WARNING, "snnet_lightning"):
        assert evaluate() == (whole, BATCHES)
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("snnet_lightning")]
    assert str(part) in line
    assert "\n" not in line
    assert not part.with_name("executed").exists()


def test_loaders_that_cannot_leave_batches_out_are_evaluated_from_the_beginning(evaluate, part):
    data = Digits()
    data.setup()
    items = data.test_set.__getitems__([Draw(i) for i in range(IMAGES)])
    whole, _ = evaluate()
    assert evaluate(DataLoader(items, BATCH), after=3) == (None, 3)
    assert not part.exists()
    assert evaluate(DataLoader(items, BATCH)) == (whole, BATCHES)
