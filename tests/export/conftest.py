"""Networks to export: shallow, for exporters take their time for every block."""

import onnxruntime
import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.description import Preprocessing
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule, StagedRule, TwoWayRule
from tests.network.conftest import batch_norm_net
from tests.network.test_extract import narrow_net

__all__ = ["batch_norm_net"]

DIGITS = ["digits_tiny", "digits_small", "digits_base"]
SWIN = {"img_size": 32, "window_size": 2, "depths": (2, 1), "num_heads": (1, 2), "embed_dim": 16}
RESNET18 = {"channels": (8, 12, 16, 20), "layers": (2, 1, 1, 1)}
PUBLISHED = {
    "deit_ti_s_b": (
        ["deit_tiny_patch16_224", "deit_small_patch16_224"],
        PairedRule(final_norm=False),
        {"kwargs": {"depth": 3, "num_heads": 2}, "kwargs_each": [{"embed_dim": 16}, {"embed_dim": 32}]},
    ),
    "deit3_s_l": (
        ["deit3_small_patch16_224", "deit3_large_patch16_224"],
        TwoWayRule(),
        {"kwargs": {"num_heads": 2}, "kwargs_each": [{"embed_dim": 16, "depth": 2}, {"embed_dim": 32, "depth": 4}]},
    ),
    "levit_192_256": (["levit_128s", "levit_128"], StagedRule(), {"kwargs": {"img_size": 32, "depth": (2, 1, 1)}}),
    "resnet18_50": (
        ["resnet18", "resnet50"],
        StagedRule(),
        {"kwargs": {"channels": (8, 12, 16, 20), "layers": (2, 2, 1, 1)}},
    ),
    "resnet18_swin_ti": (
        ["resnet18", "swin_tiny_patch4_window7_224"],
        StagedRule(stages=(0, 1)),
        {"kwargs_each": [RESNET18, SWIN | {"depths": (2, 1, 1, 1), "num_heads": (1, 2, 2, 2), "img_size": 64}]},
    ),
    "swin_ti_s_b": (
        ["swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"],
        StagedRule(),
        {"kwargs": SWIN, "kwargs_each": [{}, {"embed_dim": 32}]},
    ),
}


@pytest.fixture(scope="session")
def wide_net() -> SNNet:
    """The embedded family with two blocks each and random weights, wide enough for graphs to weigh little."""
    torch.manual_seed(0)
    widths = [{"embed_dim": 64}, {"embed_dim": 128}, {"embed_dim": 384}]
    anchors = create_anchors(DIGITS, (1, 8, 8), 10, "checkpoint", {"depth": 2}, widths)
    preprocessing = Preprocessing(mean=(0.3,), std=(0.4,), interpolation="bicubic", crop_pct=1.0)
    return SNNet(anchors, PairedRule(), preprocessing=preprocessing, class_names=list("0123456789")).eval()


@pytest.fixture(params=PUBLISHED)
def published_net(request) -> SNNet:
    names, space, kwargs = PUBLISHED[request.param]
    return narrow_net(names, 64 if "resnet18" in names else 32, space, kwargs)


def images_for(net, count):
    return torch.randn(count, *net.anchors[0].input_size, generator=torch.Generator().manual_seed(4))


def by_itself(path):
    """Runs a file by its own runtime, without what we have for that."""
    if path.suffix == ".pt2":
        return torch.export.load(path).module()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])
