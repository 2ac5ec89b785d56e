"""Two processes against one, by hand: gradients, accuracies and losses, statistics; and how they end.

One file, so that all of it is of one start of the processes.
"""

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw
from snnet_lightning.model import SNNetModule
from snnet_lightning.network.calibrate import calibrate
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.sampler import UniformSampler
from tests.distributed import record_gradients, record_scores, record_sigterm, record_statistics, record_tuning

RANKS = (0, 1)
NAMES = ("per_rank", "shared", "sandwich", "importance")


@pytest.fixture(scope="module")
def recorded(start_script, tmp_path_factory) -> Path:
    """What the processes left, in a folder of every script's name."""
    directory = tmp_path_factory.mktemp("recorded")
    start_script("record_all.py", directory)
    return directory


# Gradients of a step are the mean over the processes, absent ones as zero.


@pytest.fixture(scope="module")
def runs(recorded) -> dict[str, list[SimpleNamespace]]:
    """Of every sampler, what each process noted."""
    folder = recorded / "record_gradients"
    files = {name: [folder / f"{name}.{rank}.pt" for rank in RANKS] for name in (*NAMES, "move")}
    return {name: [SimpleNamespace(**torch.load(file)) for file in own] for name, own in files.items()}


def indices_of(rank, step):
    """Every second image of the shuffled epoch, the odd one of the 1257 left out."""
    order = torch.randperm(1257, generator=torch.Generator().manual_seed(record_gradients.SEED))[:1256]
    return order[rank::2][step * record_gradients.BATCH : (step + 1) * record_gradients.BATCH].tolist()


def gradients_by_hand(net, stitches, indices):
    images, classes = map(torch.stack, zip(*DigitsDataset(True).__getitems__([Draw(i) for i in indices]), strict=True))
    net.zero_grad()
    losses = [F.cross_entropy(net(images, stitch), classes, label_smoothing=0.1) for stitch in stitches]
    torch.stack(losses).mean().backward()
    return {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()}


def mean_of(first, second):
    """None where both are; where one is, it counts as zero."""
    given = [gradient for gradient in (first, second) if gradient is not None]
    return sum(given) / 2 if given else None


def drawn_by(runs, name):
    """Of every step, the stitches of every process."""
    return list(zip(*(recorded.drawn for recorded in runs[name]), strict=True))


def test_draws_are_the_samplers(runs):
    flops = dict.fromkeys(record_gradients.make_net().space, 1)
    for name in NAMES[:3]:
        draws = [
            [record_gradients.SAMPLERS[name].draw(flops, step, rank) for rank in RANKS]
            for step in range(record_gradients.STEPS)
        ]
        assert drawn_by(runs, name) == [tuple([s.id for s in drawn] for drawn in step) for step in draws]


def test_draws_differ_or_agree_as_asked(runs):
    differing = {name: sum(first != second for first, second in drawn_by(runs, name)) for name in NAMES}
    assert differing["per_rank"] >= record_gradients.STEPS - 1
    assert differing["sandwich"] >= record_gradients.STEPS - 1
    assert differing["shared"] == differing["importance"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_mean_over_the_processes(runs, name):
    net = record_gradients.make_net()
    for step, drawn in enumerate(drawn_by(runs, name)):
        for recorded in runs[name]:
            net.load_state_dict(recorded.before[step])
            stitches = [[net.space[i] for i in drawn[rank]] for rank in RANKS]
            each = [gradients_by_hand(net, stitches[rank], indices_of(rank, step)) for rank in RANKS]
            for parameter, found in recorded.gradients[step].items():
                expected = mean_of(each[0][parameter], each[1][parameter])
                if expected is None:
                    assert found is None, parameter
                else:
                    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6, msg=parameter)


@pytest.mark.parametrize("name", NAMES)
def test_what_no_process_drew_stays_as_it_is(runs, name):
    """AdamW with weight decay moves all that has a gradient, be it zero."""
    for recorded in runs[name]:
        for before, gradients, after in zip(recorded.before, recorded.gradients, recorded.after, strict=True):
            moved = {parameter for parameter in gradients if not torch.equal(before[parameter], after[parameter])}
            assert moved == {parameter for parameter, gradient in gradients.items() if gradient is not None}
            assert 0 < len(moved) < len(gradients)


def test_what_moves_is_all_that_any_process_drew_so_far_by_the_same_gradients(runs):
    """As without moving, but absent gradients are zero from the first use on."""
    used = set()
    for step in range(record_gradients.STEPS):
        net = record_gradients.make_net()
        stitches = [[net.space[i] for i in ids] for ids in drawn_by(runs, "move")[step]]
        for recorded in runs["move"]:
            net.load_state_dict(recorded.before[step])
            each = [gradients_by_hand(net, stitches[rank], indices_of(rank, step)) for rank in RANKS]
            now = {name: mean_of(each[0][name], each[1][name]) for name in each[0]}
            used |= {name for name, gradient in now.items() if gradient is not None}
            found = recorded.gradients[step]
            assert {name for name, gradient in found.items() if gradient is not None} == used
            for name in used:
                expected = torch.zeros_like(found[name]) if now[name] is None else now[name]
                torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-6, msg=name)
            moved = {n for n in found if not torch.equal(recorded.before[step][n], recorded.after[step][n])}
            assert moved == used
    assert len(used) < len(found)


@pytest.mark.parametrize("name", [*NAMES, "move"])
def test_both_processes_hold_the_same_weights(runs, name):
    first, second = runs[name]
    for step in range(record_gradients.STEPS):
        for key, tensor in first.after[step].items():
            assert torch.equal(tensor, second.after[step][key]), key


# Anchors are tuned first as by one process.


@pytest.fixture(scope="module")
def tuned(recorded) -> dict[str, list[SimpleNamespace]]:
    """Of the whole training, and of those that went on, what each process noted."""
    names = ("whole", *(f"from_{step}" for step in record_tuning.SAVED))
    files = {name: [recorded / "record_tuning" / f"{name}.{rank}.pt" for rank in RANKS] for name in names}
    return {name: [SimpleNamespace(**torch.load(file)) for file in own] for name, own in files.items()}


def test_anchors_in_turn_then_each_process_its_own_stitches(tuned):
    flops = dict.fromkeys(record_gradients.make_net().space, 1)
    sampler, steps = UniformSampler(record_gradients.SEED), record_tuning.STEPS
    for rank, noted in enumerate(tuned["whole"]):
        assert noted.drawn[:steps] == [[0], [1]] * (steps // 2)
        assert noted.drawn[steps:] == [[sampler.draw(flops, step, rank)[0].id] for step in range(steps, 2 * steps)]


def test_stitching_layers_are_fitted_to_the_tuned_anchors_as_by_one_process(tuned):
    start, fitted = (tuned["whole"][0].before[step] for step in (0, record_tuning.STEPS))
    net = record_gradients.make_net()
    net.load_state_dict(fitted | {key: value for key, value in start.items() if key.startswith("stitching_layers")})
    data = DigitsDataset(train=True)
    images = torch.stack([image for image, _ in data.__getitems__([Draw(index) for index in range(len(data))])])
    initialise_by_least_squares(net, [images], len(images))
    for key, value in net.state_dict().items():
        torch.testing.assert_close(fitted[key], value, rtol=1e-3, atol=1e-4, msg=key)


@pytest.mark.parametrize("step", record_tuning.SAVED)
def test_a_training_goes_on_in_either_phase_as_if_it_had_not_ended(tuned, step):
    for whole, resumed in zip(tuned["whole"], tuned[f"from_{step}"], strict=True):
        assert resumed.drawn == whole.drawn[step:]
        assert resumed.end.keys() == whole.end.keys()
        assert all(torch.equal(value, whole.end[key]) for key, value in resumed.end.items())
        assert all(torch.equal(value, tuned["whole"][0].end[key]) for key, value in whole.end.items())


# Accuracies and losses are those of every image once.


@pytest.fixture(scope="module")
def found(recorded):
    return torch.load(recorded / "record_scores" / "scores.pt")


@torch.no_grad()
def scores_by_hand(net, stitches, input_size):
    data = record_scores.OddDigits(input_size, batch_size=16)
    data.setup()
    draws = [Draw(i) for i in range(record_scores.IMAGES)]
    images, classes = map(torch.stack, zip(*data.test_set.__getitems__(draws), strict=True))
    for stitch in stitches:
        logits = net(images, stitch)
        ranks = (logits > logits.gather(1, classes[:, None])).sum(1)  # how many classes score better than the right one
        within = [100 * (ranks < k).sum().item() / record_scores.IMAGES for k in (1, 5)]
        yield [*within, F.cross_entropy(logits.double(), classes).item(), record_scores.IMAGES]


def assert_same(found, expected):
    expected = list(expected)
    assert [row[-1] for row in found] == [row[-1] for row in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine[:2] == theirs[:2]
        assert mine[2] == pytest.approx(theirs[2], rel=1e-6)


def validated(net):
    return SNNetModule(net, UniformSampler(1), record_scores.RECIPE).validation_stitches


def test_validation(found):
    net = record_scores.make_transformers()
    expected = scores_by_hand(net, validated(net), (1, 8, 8))
    assert_same(found["untrained"]["validate"], expected)


def test_test(found):
    net = record_scores.make_transformers()
    assert_same(found["untrained"]["test"], scores_by_hand(net, net.space, (1, 8, 8)))


def test_an_evaluation_that_goes_on_from_different_batches(found):
    interrupted, net = found["interrupted"], record_scores.make_transformers()
    assert interrupted["batches"] == 7 - 2  # of the first process, which has 51 images
    assert_same(interrupted["test"], scores_by_hand(net, net.space, (1, 8, 8)))


@pytest.mark.parametrize("loop", ["validate", "test"])
def test_batch_normalisation_is_that_of_the_first_process(found, loop):
    """It is the first process that writes the checkpoint."""
    net, trained = record_scores.make_convolutions(), found["trained"]
    net.load_state_dict(trained[f"{loop}_weights"])
    stitches = net.space if loop == "test" else validated(net)
    assert_same(trained[loop], scores_by_hand(net.eval(), stitches, (3, 32, 32)))


# Statistics are those of one process on the same images.


def test_all_processes_have_what_one_finds_for_the_checkpoint(recorded):
    script, folder = record_statistics, recorded / "record_statistics"
    first, second = (torch.load(folder / f"statistics{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["calibrated"].numel()
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    state = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    net = script.make_net()
    net.load_state_dict({key.removeprefix("net."): value for key, value in state.items()})
    saved = net.route_statistics.state_dict()
    assert all(torch.equal(value, saved[key]) for key, value in first.items())

    data = script.DigitsDataModule(script.SIZE, batch_size=script.BATCH)
    data.setup()
    order = torch.randperm(1257, generator=torch.Generator().manual_seed(0)).tolist()
    x, y = map(torch.stack, zip(*data.train_set.__getitems__([Draw(i) for i in order]), strict=True))
    calibrate(net, zip(x.split(script.BATCH), y.split(script.BATCH), strict=True), script.IMAGES)
    alone = net.route_statistics.state_dict()
    assert alone.keys() == first.keys()
    for key, value in first.items():
        torch.testing.assert_close(alone[key], value)


# All processes end after the step that is under way where one of them is told to.


@pytest.mark.parametrize("told", record_sigterm.TOLD)
def test_sigterm_saves_the_step_whichever_process_hears_it(recorded, told):
    folder = recorded / "record_sigterm"
    expected = {"status": 128 + signal.SIGTERM, "step": record_sigterm.STEP}
    assert [torch.load(folder / f"{told}.{rank}.pt") for rank in RANKS] == [expected] * 2
    assert torch.load(folder / told / "last.ckpt", weights_only=True)["global_step"] == record_sigterm.STEP
