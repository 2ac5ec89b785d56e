"""A stitch in the network, by itself, as timm has it, and as ONNX Runtime runs it, side by side in one process.

Run with ``python -m pytest -n 0 -m benchmark -s``; prints ratios, asserts nothing about time.
"""

import time
from statistics import median

import pytest
import timm
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.export import export_stitches, load_exported
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule, StagedRule

ROUNDS = 41
FAMILIES = {
    "DeiT-Ti/S": (["deit_tiny_patch16_224", "deit_small_patch16_224"], PairedRule()),
    "ResNet-18/50": (["resnet18", "resnet50"], StagedRule()),
    "Swin-Ti/S": (["swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"], StagedRule()),
}


def compared(images, **runs):
    """Medians of the ratios to the first, and their spread, of interleaved runs."""
    times = {name: [] for name in runs}
    with torch.inference_mode():
        for round in range(ROUNDS + 3):
            order = list(runs)[round % len(runs) :] + list(runs)[: round % len(runs)]
            for name in order:
                start = time.perf_counter()
                runs[name](images)
                if round >= 3:
                    times[name].append(time.perf_counter() - start)
    first, *others = runs
    line = [f"{first} {1e3 * median(times[first]):.1f} ms"]
    for name in others:
        ratios = sorted(b / a for a, b in zip(times[first], times[name], strict=True))
        low, high = ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]
        line.append(f"{name} {median(ratios):.3f} of that (quartiles {low:.3f} to {high:.3f})")
    return "; ".join(line)


@pytest.mark.benchmark
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("family", FAMILIES)
def test_speed(family, batch, tmp_path):
    names, space = FAMILIES[family]
    torch.manual_seed(0)
    net = SNNet(create_anchors(names, (3, 224, 224), 1000, "random"), space).eval()
    images = torch.randn(batch, 3, 224, 224)
    timms = timm.create_model(names[0], num_classes=1000).eval()
    timms.load_state_dict(net.anchors[0].model.state_dict())
    stitch = list(net.space)[len(net.space) // 2]
    (exported,) = export_stitches(net, [stitch], tmp_path / "x", images=images)
    anchor, alone, graph = net.extract(0), net.extract(stitch), load_exported(tmp_path / "x" / exported.file)
    print(f"\n{family}, {batch} images, {torch.get_num_threads()} threads")
    print("  anchor:", compared(images, timm=timms, extracted=anchor, again=timms))
    print(f"  {stitch.name}:", compared(images, extracted=alone, network=lambda x: net(x, stitch), onnxruntime=graph))
