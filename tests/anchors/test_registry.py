"""Walks timm's whole registry on the meta device: what can be an anchor, and is it cut where timm says?"""

from collections import Counter

import pytest
import timm
import torch
from torch import nn

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.families import adapter_for
from snnet_lightning.errors import InputError
from snnet_lightning.stitch.route import anchor_route

CLASSES = 10


def calls_of(
    model: nn.Module, run, x: torch.Tensor
) -> tuple[tuple[int, ...], list[tuple[str, tuple[int, ...]]]]:
    """The output's shape, and the name and input shape of every childless module, in order of their calls."""
    calls: list[tuple[str, tuple[int, ...]]] = []

    def hook(name):
        return lambda module, inputs: calls.append((name, tuple(inputs[0].shape)))

    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    handles = [module.register_forward_pre_hook(hook(name)) for name, module in leaves]
    try:
        return tuple(run(x).shape), calls
    finally:
        for handle in handles:
            handle.remove()


def assert_cut(anchor: Anchor) -> None:
    assert anchor.depths
    assert all(anchor.depths)
    owned = Counter(id(p) for part in anchor_route(0, anchor.depths) for p in set(anchor.parameters_of(part)))
    assert set(owned) == {id(p) for p in anchor.model.parameters()}
    x = torch.zeros(1, *anchor.input_size, device="meta")
    try:
        expected = calls_of(anchor.model, anchor.model, x)
    except (
        NotImplementedError,
        RuntimeError,
        TypeError,
    ):  # some models compute with values, which meta has not
        return
    assert expected[0] == (1, CLASSES)
    assert calls_of(anchor.model, anchor, x) == expected


@pytest.mark.slow
def test_registry(capsys):
    supported, total, refusals, broken = Counter(), Counter(), {}, {}
    for name in (n for n in timm.list_models() if not n.startswith("digits_")):
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=CLASSES).eval()
        family = type(model).__name__
        total[family] += 1
        try:
            anchor = adapter_for(model, name)(name, model, model.pretrained_cfg["input_size"])
        except InputError as error:
            refusals[name] = str(error).split(";")[0]
            continue
        supported[family] += 1
        try:
            assert_cut(anchor)
        except Exception as error:
            broken[name] = f"{type(error).__name__}: {error}"
    share = supported.total() / total.total()
    with capsys.disabled():
        print(f"\n{supported.total()} of {total.total()} models ({share:.1%}) can be anchors")
        for family, count in total.most_common():
            print(f"  {supported[family]:4} of {count:4} {family}")
    assert not broken
    assert share >= 0.6
