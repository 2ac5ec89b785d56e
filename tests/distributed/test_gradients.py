"""DDP gradients of a step: the mean over the processes, absent ones as zero, against one process by hand."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw

RANKS = (0, 1)
NAMES = ("per_rank", "shared", "sandwich", "importance")


@pytest.fixture(scope="module")
def runs(start_script, tmp_path_factory):
    directory = tmp_path_factory.mktemp("gradients")
    script = start_script("record_gradients.py", directory)
    for name in (*NAMES, "move"):
        ranks = [SimpleNamespace(**torch.load(directory / f"{name}.{rank}.pt")) for rank in RANKS]
        setattr(script, name, ranks)
    return script


def indices_of(script, rank, step):
    """Every second image of the shuffled epoch, the odd one of the 1257 left out."""
    order = torch.randperm(1257, generator=torch.Generator().manual_seed(script.SEED))[:1256]
    return order[rank::2][step * script.BATCH : (step + 1) * script.BATCH].tolist()


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
    return list(zip(*(recorded.drawn for recorded in getattr(runs, name)), strict=True))


def test_draws_are_the_samplers(runs):
    flops = dict.fromkeys(runs.make_net().space, 1)
    for name in NAMES[:3]:
        draws = [[runs.SAMPLERS[name].draw(flops, step, rank) for rank in RANKS] for step in range(runs.STEPS)]
        assert drawn_by(runs, name) == [tuple([s.id for s in drawn] for drawn in step) for step in draws]


def test_draws_differ_or_agree_as_asked(runs):
    differing = {name: sum(first != second for first, second in drawn_by(runs, name)) for name in NAMES}
    assert differing["per_rank"] >= runs.STEPS - 1
    assert differing["sandwich"] >= runs.STEPS - 1
    assert differing["shared"] == differing["importance"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_mean_over_the_processes(runs, name):
    net = runs.make_net()
    for step, drawn in enumerate(drawn_by(runs, name)):
        for recorded in getattr(runs, name):
            net.load_state_dict(recorded.before[step])
            stitches = [[net.space[i] for i in drawn[rank]] for rank in RANKS]
            each = [gradients_by_hand(net, stitches[rank], indices_of(runs, rank, step)) for rank in RANKS]
            for parameter, found in recorded.gradients[step].items():
                expected = mean_of(each[0][parameter], each[1][parameter])
                if expected is None:
                    assert found is None, parameter
                else:
                    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6, msg=parameter)


@pytest.mark.parametrize("name", NAMES)
def test_what_no_process_drew_stays_as_it_is(runs, name):
    """AdamW with weight decay moves all that has a gradient, be it zero."""
    for recorded in getattr(runs, name):
        for before, gradients, after in zip(recorded.before, recorded.gradients, recorded.after, strict=True):
            moved = {parameter for parameter in gradients if not torch.equal(before[parameter], after[parameter])}
            assert moved == {parameter for parameter, gradient in gradients.items() if gradient is not None}
            assert 0 < len(moved) < len(gradients)


def test_what_moves_is_all_that_any_process_drew_so_far_by_the_same_gradients(runs):
    """As without moving, but absent gradients are zero from the first use on."""
    used = set()
    for step in range(runs.STEPS):
        net = runs.make_net()
        stitches = [[net.space[i] for i in ids] for ids in drawn_by(runs, "move")[step]]
        for recorded in runs.move:
            net.load_state_dict(recorded.before[step])
            each = [gradients_by_hand(net, stitches[rank], indices_of(runs, rank, step)) for rank in RANKS]
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
    first, second = getattr(runs, name)
    for step in range(runs.STEPS):
        for key, tensor in first.after[step].items():
            assert torch.equal(tensor, second.after[step][key]), key
