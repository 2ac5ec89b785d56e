"""Where float64 is summed. No device without it is here: what is asked is where a sum of one would go."""

import pytest
import torch

from snnet_lightning.float64 import in_float64, summing_device


@pytest.mark.parametrize(
    ("device", "sums"), [("cpu", "cpu"), ("cuda:1", "cuda:1"), ("mps", "cpu"), ("mps:0", "cpu"), ("meta", "meta")]
)
def test_sums_are_on_the_cpu_where_the_device_has_no_float64(device, sums):
    assert summing_device(torch.device(device)) == torch.device(sums)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.long])
def test_values_stay(dtype):
    x = torch.arange(5).to(dtype)
    assert in_float64(x).dtype == torch.float64
    assert in_float64(x).tolist() == [0, 1, 2, 3, 4]
    assert in_float64(x.to("meta")).device.type == "meta"
