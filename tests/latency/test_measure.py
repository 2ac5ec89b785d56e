"""Latency of networks whose parts wait for a known time, and what measuring leaves as it was."""

from functools import partial

import pytest
import torch
from torch.utils.benchmark import Timer

from snnet_lightning.anchors import create_anchors
from snnet_lightning.errors import InputError
from snnet_lightning.latency import measure, stopwatch
from snnet_lightning.latency.measure import Measurement, measure_latency
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule
from snnet_lightning.stitch.route import Block

DIGITS = ["digits_tiny", "digits_small", "digits_base"]
WAIT_MS = (0.5, 1.5, 4.5)  # of a block of each anchor


class Clock:
    """Seconds that pass only where a test says so."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """In place of the machine's, on which other processes count as well."""
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    monkeypatch.setattr(measure, "Timer", partial(Timer, timer=clock.perf_counter))
    return clock


@pytest.fixture
def waiting_net(clock) -> SNNet:
    """A block of an anchor takes so long, and all else no time."""
    net = SNNet(create_anchors(DIGITS, (1, 8, 8), 10), PairedRule(stride=3)).eval()
    for anchor, milliseconds in zip(net.anchors, WAIT_MS, strict=True):
        for block in anchor.stages()[0]:
            block.register_forward_hook(lambda *_, s=milliseconds / 1e3: setattr(clock, "now", clock.now + s))
    return net


def waited(stitch) -> float:
    return sum(WAIT_MS[part.anchor] for part in stitch.route if isinstance(part, Block))


@pytest.mark.parametrize("every_stitch", [False, True])
def test_a_stitch_takes_what_its_blocks_wait_for(waiting_net, every_stitch):
    how = Measurement(batch=[1], rounds=4, every_stitch=every_stitch, fitted=3, held_out=4, most_error=50)
    (measured,) = measure_latency(waiting_net, how).batches
    assert (measured.model is None) == every_stitch
    assert [stitch.id for stitch in measured.stitches] == [stitch.id for stitch in waiting_net.space]
    for found in measured.stitches:
        expected = waited(waiting_net.space[found.id])
        assert (found.low, found.ms, found.high) == pytest.approx((expected, expected, expected))


@pytest.fixture
def small_net() -> SNNet:
    """Of ten stitches."""
    torch.manual_seed(0)
    anchors = create_anchors(["digits_tiny"] * 2, (1, 8, 8), 10, "checkpoint", {"depth": 3})
    return SNNet(anchors, PairedRule()).eval()


def test_above_the_largest_error_every_stitch_is_timed(small_net):
    how = Measurement(batch=[1], rounds=4, fitted=2, held_out=2, most_error=0)
    (measured,) = measure_latency(small_net, how).batches
    assert measured.model is None


def test_where_there_are_few_stitches_each_is_timed(small_net):
    how = Measurement(batch=[1], rounds=4, fitted=2, held_out=len(small_net.space) - 2, most_error=1e6)
    (measured,) = measure_latency(small_net, how).batches
    assert measured.model is None


@pytest.mark.parametrize(
    ("options", "backend"),
    [
        ({}, None),
        ({"precision": "bf16"}, None),
        ({"channels_last": True}, None),
        ({"compile": True}, "aot_eager"),
        pytest.param({"compile": True}, "inductor", marks=pytest.mark.slow),  # PyTorch's default, a C++ compiler
    ],
    ids=str,
)
def test_the_network_stays_as_it_is(small_net, options, backend, monkeypatch):
    monkeypatch.setattr(measure, "compile_in_place", partial(measure.compile_in_place, backend=backend))
    small_net.train()
    before = {key: value.clone() for key, value in small_net.state_dict().items()}
    heard = []
    how = Measurement(batch=[2, 1], rounds=4, held_out=2, fitted=2, most_error=1e6, **options)
    latency = measure_latency(small_net, how, lambda done, of, what: heard.append((done, of, what)))
    after = small_net.state_dict()
    assert all(value.dtype == after[key].dtype and torch.equal(value, after[key]) for key, value in before.items())
    assert small_net.training
    assert [measured.batch for measured in latency.batches] == [2, 1]
    assert (latency.precision, latency.compiled) == (options.get("precision", "fp32"), "compile" in options)
    assert latency.threads == torch.get_num_threads()
    assert {what for *_, what in heard} == {"batch 1", "batch 2"}
    assert [done for done, of, what in heard if what == "batch 2"][-1] == heard[0][1]


def test_options_that_cannot_be():
    with pytest.raises(InputError, match="names a size twice"):
        Measurement(batch=[1, 1])
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="there is no GPU"):
            Measurement(batch=[1], device="cuda")
        with pytest.raises(InputError, match="cuda_graphs=true needs a GPU"):
            Measurement(batch=[1], cuda_graphs=True)


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_on_a_gpu(digits_net, cuda_graphs):
    latency = measure_latency(digits_net, Measurement(batch=[1], rounds=4, device="cuda", cuda_graphs=cuda_graphs))
    assert latency.threads is None
    assert (latency.batches[0].model is None) or not cuda_graphs
    assert next(digits_net.parameters()).device.type == "cpu"
