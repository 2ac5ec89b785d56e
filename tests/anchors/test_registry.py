"""Walks timm's whole registry on the meta device: what can be an anchor, and is it cut where timm says?"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import timm
import torch
from torch import nn

from snnet_lightning.anchors.adapters import adapter_for
from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.description import AnchorDescription
from snnet_lightning.errors import InputError
from snnet_lightning.stitch.route import anchor_route

CLASSES = 10


Call = tuple[str, int]  # name of a module without children, number of elements of its input


@contextmanager
def recorded_calls(model: nn.Module) -> Iterator[list[Call]]:
    calls: list[Call] = []

    def hook(name: str) -> Callable[[nn.Module, tuple], None]:
        return lambda module, inputs: calls.append((name, inputs[0].numel()))

    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    handles = [module.register_forward_pre_hook(hook(name)) for name, module in leaves]
    yield calls
    for handle in handles:
        handle.remove()


def assert_cut(anchor: Anchor) -> None:
    """The parts call what timm's forward calls, in the same order, and own what they call."""
    assert anchor.depths
    assert all(anchor.depths)
    image = torch.zeros(1, *anchor.input_size, device="meta")
    with recorded_calls(anchor.model) as expected:
        try:
            logits = anchor.model(image)
        except (NotImplementedError, RuntimeError, TypeError):  # it computes with values, which meta lacks
            return
    assert logits.shape == (1, CLASSES)
    modules = dict(anchor.model.named_modules())
    x = image
    with recorded_calls(anchor.model) as calls:
        for part in anchor_route(0, anchor.depths):
            start = len(calls)
            x = anchor.run(part, x)
            owned = {id(p) for p in anchor.parameters_of(part)}
            for name, _ in calls[start:]:
                assert all(id(p) in owned for p in modules[name].parameters()), f"{part} runs {name}"
    assert x.shape == (1, CLASSES)
    assert calls == expected


@pytest.mark.slow
def test_registry(capsys):
    supported, total, refusals, broken = Counter(), Counter(), {}, {}
    for name in (n for n in timm.list_models() if not n.startswith("digits_")):
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=CLASSES).eval()
        family = type(model).__name__
        total[family] += 1
        try:
            anchor = adapter_for(model, name)(
                AnchorDescription(name=name, alias=name), model, model.pretrained_cfg["input_size"]
            )
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
