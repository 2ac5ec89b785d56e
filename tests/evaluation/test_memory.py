"""Bytes of activations, by hand, and against what PyTorch's profiler sees its allocator do."""

import pytest
import timm
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from snnet_lightning.evaluation.cost import stitch_costs
from snnet_lightning.evaluation.memory import peak_activations


def of_allocator(module: nn.Module, x: torch.Tensor) -> int:
    """The peak of all allocations and releases of a forward pass, with the images that were there before it.

    Scratch space inside of operations counts here too, which vision transformers have none of.
    """
    with torch.no_grad():
        module(x)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            module(x)
    changes = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        alive += change.nbytes()
        peak = max(peak, alive)
    return x.nbytes + peak


def test_by_hand():
    """The widest moment is the ReLU: the images, what goes into it and what comes out."""
    module = nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 50))
    assert peak_activations(module, torch.zeros(3, 100)) == 4 * 3 * (100 + 200 + 200)


@pytest.mark.parametrize("name", ["deit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_against_the_allocator(name):
    torch.manual_seed(0)
    model = timm.create_model(name).eval()
    x = torch.randn(2, 3, 224, 224)
    assert peak_activations(model, x) == of_allocator(model, x)


def test_a_stitch_needs_its_parameters_and_its_widest_part(digits_net):
    """Against the whole stitch in one pass, which knows nothing of parts."""
    for stitch, cost in stitch_costs(digits_net).items():
        digits_net.select(stitch)
        x = torch.zeros(1, *digits_net.description.input_size)
        weights = 4 * sum(parameter.numel() for parameter in digits_net.extract(stitch).parameters())
        assert cost.memory == weights + peak_activations(digits_net, x), stitch.name
