"""All stitches of digits, and an anchor, an early joint and a late one of every published family, in both formats."""

import pytest
import torch

from snnet_lightning.export import export_stitches
from tests.export.conftest import by_itself, images_for
from tests.network.test_extract import published_net as deeper_net
from tests.network.test_extract import some_of

__all__ = ["deeper_net"]


@torch.no_grad()
def assert_exported(net, stitches, folder, format):
    exported = export_stitches(net, stitches, folder, images=images_for(net, 3), format=format)
    largest = 0.0
    for item in exported:
        run = by_itself(folder / item.file)
        for count in (1, 2, 7):
            images = images_for(net, count)
            largest = max(largest, (run(images) - net(images, item.stitch)).abs().max().item())
    assert len(exported) == len(stitches)
    assert largest < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_digits(digits_net, tmp_path, format):
    assert_exported(digits_net, list(digits_net.space), tmp_path / "x", format)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_published_families(deeper_net, tmp_path, format):
    assert_exported(deeper_net, some_of(deeper_net.space), tmp_path / "x", format)
