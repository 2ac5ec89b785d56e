"""DDP gradients of a step: the mean over the processes, absent ones as zero, against one process by hand."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw
from snnet_lightning.sampler import UniformSampler

RANKS = (0, 1)


@pytest.fixture(scope="module")
def runs(start_script, tmp_path_factory):
    directory = tmp_path_factory.mktemp("gradients")
    script = start_script("record_gradients.py", directory)
    for name in ("per_rank", "shared"):
        ranks = [SimpleNamespace(**torch.load(directory / f"{name}.{rank}.pt")) for rank in RANKS]
        setattr(script, name, ranks)
    return script


def indices_of(script, rank, step):
    """Every second image of the shuffled epoch, the odd one of the 1257 left out."""
    order = torch.randperm(1257, generator=torch.Generator().manual_seed(script.SEED))[:1256]
    return order[rank::2][step * script.BATCH : (step + 1) * script.BATCH].tolist()


def gradients_by_hand(net, stitch, indices):
    images, classes = map(torch.stack, zip(*DigitsDataset(True).__getitems__([Draw(i) for i in indices]), strict=True))
    net.zero_grad()
    F.cross_entropy(net(images, stitch), classes, label_smoothing=0.1).backward()
    return {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()}


def mean_of(first, second):
    """None where both are; where one is, it counts as zero."""
    given = [gradient for gradient in (first, second) if gradient is not None]
    return sum(given) / 2 if given else None


def draws(script, net, per_rank):
    sampler = UniformSampler(script.SEED, per_rank)
    flops = dict.fromkeys(net.space, 1)
    return [[sampler.draw(flops, step, rank)[0] for rank in RANKS] for step in range(script.STEPS)]


def test_draws_differ_or_agree_as_asked(runs):
    net = runs.make_net()
    assert sum(first != second for first, second in draws(runs, net, True)) >= runs.STEPS - 1
    assert all(first == second for first, second in draws(runs, net, False))


@pytest.mark.parametrize("name", ["per_rank", "shared"])
def test_gradients_are_the_mean_over_the_processes(runs, name):
    net = runs.make_net()
    for step, drawn in enumerate(draws(runs, net, name == "per_rank")):
        for recorded in getattr(runs, name):
            net.load_state_dict(recorded.before[step])
            each = [gradients_by_hand(net, drawn[rank], indices_of(runs, rank, step)) for rank in RANKS]
            for parameter, found in recorded.gradients[step].items():
                expected = mean_of(each[0][parameter], each[1][parameter])
                if expected is None:
                    assert found is None, parameter
                else:
                    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6, msg=parameter)


@pytest.mark.parametrize("name", ["per_rank", "shared"])
def test_what_no_process_drew_stays_as_it_is(runs, name):
    """AdamW with weight decay moves all that has a gradient, be it zero."""
    for recorded in getattr(runs, name):
        for before, gradients, after in zip(recorded.before, recorded.gradients, recorded.after, strict=True):
            moved = {parameter for parameter in gradients if not torch.equal(before[parameter], after[parameter])}
            assert moved == {parameter for parameter, gradient in gradients.items() if gradient is not None}
            assert 0 < len(moved) < len(gradients)


@pytest.mark.parametrize("name", ["per_rank", "shared"])
def test_both_processes_hold_the_same_weights(runs, name):
    first, second = getattr(runs, name)
    for step in range(runs.STEPS):
        for key, tensor in first.after[step].items():
            assert torch.equal(tensor, second.after[step][key]), key
