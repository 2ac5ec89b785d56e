"""Half precision and 8-bit integers on real digits: another arithmetic, the same digits."""

import json

import onnx
import pytest
import torch

from snnet_lightning.anchors.digits import MEAN, STD
from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.export import export_stitches, load_exported
from tests.export.conftest import images_for
from tests.network.test_extract import some_of

ANCHOR, STITCH = "digits_base", "digits_small[:1] > digits_base[1:]"


def digits(train):
    data = DigitsDataset(train)
    return (data.images - MEAN) / STD, data.classes


@pytest.mark.parametrize(
    ("precision", "quantization", "names", "agreement", "size"),
    [
        ("fp16", "dynamic", [ANCHOR], 99.5, 0.55),
        pytest.param("fp16", "dynamic", [ANCHOR, STITCH], 99.5, 0.55, marks=pytest.mark.slow),
        pytest.param("int8", "dynamic", [ANCHOR, STITCH], 98, 0.35, marks=pytest.mark.slow),
        ("int8", "static", [ANCHOR, STITCH], 98, 0.35),
    ],
)
@torch.no_grad()
def test_digits(digits_net, tmp_path, precision, quantization, names, agreement, size):
    (images, classes), (calibration, _) = digits(False), digits(True)
    stitches = [digits_net.space[name] for name in names]
    exported = export_stitches(
        digits_net,
        stitches,
        tmp_path / "x",
        images=images,
        precision=precision,
        quantization=quantization,
        calibration_images=calibration[:128],
    )
    predicted = {}
    for item in exported:
        run = load_exported(tmp_path / "x" / item.file)
        logits = torch.cat([run(batch) for batch in images.split([1, 2, 7] * 54)])
        expected = digits_net(images, item.stitch)
        assert logits.dtype == torch.float32
        assert item.parity.difference == pytest.approx((logits - expected).abs().max().item(), abs=1e-4)
        predicted[item.stitch.name] = logits.argmax(1)
        agreed = 100 * (predicted[item.stitch.name] == expected.argmax(1)).double().mean().item()
        assert item.parity.agreement == pytest.approx(agreed)
        assert agreed >= agreement
    accuracies = [(p == classes).double().mean() for p in (predicted[ANCHOR], digits_net(images, ANCHOR).argmax(1))]
    assert abs(accuracies[0] - accuracies[1]) < 0.01
    union = sum(4 * parameter.numel() for parameter in digits_net.parameters_of(*stitches))
    assert (tmp_path / "x" / "weights.bin").stat().st_size < size * union
    assert json.loads((tmp_path / "x" / "config.json").read_text())["export"]["precision"] == precision


@pytest.mark.parametrize(
    ("published_net", "quantization", "off"),
    [
        ("resnet18_50", "dynamic", 0.05),
        pytest.param("resnet18_50", "static", 0.1, marks=pytest.mark.slow),
        pytest.param("levit_192_256", "static", 0.1, marks=pytest.mark.slow),
        ("swin_ti_s_b", "static", 0.1),
    ],
    indirect=["published_net"],
)
def test_convolutions_and_windows(published_net, tmp_path, quantization, off):
    net, images = published_net, images_for(published_net, 64)
    stitch = some_of(net.space)[1]
    (item,) = export_stitches(
        net,
        [stitch],
        tmp_path / "x",
        images=images[:20],
        precision="int8",
        quantization=quantization,
        calibration_images=images,
    )
    with torch.no_grad():
        largest = net(images[:20], stitch).abs().max()
    assert item.parity.difference < off * largest
    kinds = {node.op_type for node in onnx.load(tmp_path / "x" / item.file, load_external_data=False).graph.node}
    assert "ConvInteger" not in kinds
    assert ("DynamicQuantizeLinear" in kinds) == (quantization == "dynamic")
