"""Every supported timm class, on one small model or more: the parts are the model, no more and no less."""

from collections import Counter
from functools import partial

import pytest
import timm
import torch
from timm.models.metaformer import Attention, LayerNorm2dNoBias, LayerNormNoBias, SepConv
from timm.models.mvitv2 import MultiScaleVitCfg
from torch import nn

from snnet_lightning.anchors.adapters import ADAPTERS, adapter_for
from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.anchors.cut import cut
from snnet_lightning.description import AnchorDescription
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.cost import PartOfAnchor, count_flops
from snnet_lightning.stitch.route import anchor_route

VIT = {"img_size": 32, "embed_dim": 32, "depth": 2, "num_heads": 2}
STAGES = {"depths": (1, 2, 1, 1)}
CAFORMER = {
    "depths": (1, 2, 2, 1),
    "dims": (8, 16, 32, 32),
    "token_mixers": [SepConv, SepConv, Attention, Attention],
    "norm_layers": [LayerNorm2dNoBias] * 2 + [LayerNormNoBias] * 2,
}
SWIN = {"img_size": 64, "window_size": 2, "embed_dim": 16, "depths": (2, 2), "num_heads": (1, 2)}

# timm class -> (name of a model or of the class itself, image size, keyword arguments)
EXAMPLES: dict[str, list[tuple[str, int, dict]]] = {
    "Beit": [("beit_base_patch16_224", 32, VIT)],
    "ByobNet": [("test_byobnet", 64, {})],
    "CPUBone": [("cpubone_nano", 64, {})],
    "Cait": [("cait_xxs24_224", 32, VIT)],
    "ConvMixer": [("ConvMixer", 32, {"dim": 16, "depth": 2})],
    "ConvNeXt": [("test_convnext", 64, {}), ("test_convnext3", 64, {})],
    "CspNet": [("cs3darknet_focus_s", 64, {}), ("darknet17", 64, {})],
    "CspNext": [("cspnext_s", 64, {})],
    "DLA": [("dla46_c", 64, {})],
    "DaVit": [
        ("davit_tiny", 64, {**STAGES, "embed_dims": (8, 16, 32, 64), "num_heads": (1, 2, 4, 8)}),
    ],
    "EdgeNeXt": [("edgenext_xx_small", 64, {"depths": (1, 1, 2, 2)})],
    "EfficientFormerV2": [("efficientformerv2_s0", 64, {"img_size": 64, "depths": (1, 1, 2, 2), "num_vit": 1})],
    "EfficientNet": [("test_efficientnet", 64, {})],
    "EfficientVit": [("efficientvit_b0", 64, {"depths": (1, 1, 1, 2, 1)})],
    "EfficientVitLarge": [("efficientvit_l1", 64, {"widths": (8, 16, 32, 64, 64), "depths": (1, 1, 1, 1, 1)})],
    "EfficientVitMsra": [("efficientvit_m0", 224, {"depth": (1, 1, 1)})],
    "Eva": [
        ("eva02_tiny_patch14_224", 28, {**VIT, "img_size": 28}),
        ("vit_small_patch16_rope_mixed_224", 32, VIT),
        ("vit_small_patch16_dinov3", 32, VIT),
    ],
    "FastVit": [("fastvit_t8", 64, {"layers": (1, 1, 1, 1)})],
    "FasterNet": [("fasternet_t0", 64, {"depths": (1, 2, 1, 1)})],
    "FocalNet": [("FocalNet", 64, {**STAGES, "embed_dim": 16})],
    "GhostNet": [("ghostnet_050", 64, {})],
    "Hiera": [("hiera_tiny_224", 64, {"img_size": 64, "embed_dim": 16, "stages": (1, 1, 2, 1)})],
    "HieraDet": [("sam2_hiera_tiny", 64, {"embed_dim": 16, "stages": (1, 1, 2, 1)})],
    "HighPerfGpuNet": [("hgnetv2_b0", 64, {})],
    "IFormer": [("iformer_t", 64, {"depths": (1, 1, 5, 3), "attn_groups": (0, 0, 1, 1)})],
    "LCNetV2": [("lcnetv2_small", 64, {})],
    "Levit": [("levit_256d", 64, {"img_size": 64, "depth": (1, 1, 1)})],
    "LevitDistilled": [
        ("levit_128s", 64, {"img_size": 64, "depth": (1, 1, 1)}),
        ("levit_conv_128s", 64, {"img_size": 64, "depth": (1, 1, 1)}),
    ],
    "LowFormer": [("lowformer_b0", 64, {"depth_list": (0, 1, 1, 1, 2)})],
    "MambaOut": [("test_mambaout", 64, {})],
    "MaxxVit": [("test_coatnet", 160, {}), ("test_maxvit", 160, {})],
    "MetaFormer": [("MetaFormer", 64, CAFORMER)],
    "MetaNeXt": [("inception_next_atto", 64, {"depths": (1, 1, 2, 1)})],
    "MlpMixer": [
        ("mixer_s32_224", 64, {"img_size": 64}),
        ("resmlp_12_224", 32, {"img_size": 32}),
    ],
    "MobileNetV3": [("mobilenetv3_small_050", 64, {})],
    "MultiScaleVit": [
        ("MultiScaleVit", 64, {"img_size": (64, 64), "cfg": MultiScaleVitCfg(depths=(1, 2, 2, 1), embed_dim=16)}),
    ],
    "NaFlexVit": [("naflexvit_base_patch16_gap", 32, {"embed_dim": 32, "depth": 2, "num_heads": 2})],
    "NextViT": [("nextvit_small", 64, {"depths": (1, 1, 5, 1)})],
    "NormFreeNet": [("test_nfnet", 64, {})],
    "PyramidVisionTransformerV2": [("pvt_v2_b0", 64, {"depths": (1, 2, 1, 1)})],
    "RegNet": [("regnety_002", 64, {})],
    "RepGhostNet": [("repghostnet_050", 64, {})],
    "RepVit": [("repvit_m0_9", 64, {"depth": (1, 2, 1, 1)})],
    "ResNet": [("test_resnet", 64, {})],
    "ResNetV2": [("resnetv2_18", 64, {})],
    "RexNet": [("rexnet_100", 64, {"depth_mult": 0.3})],
    "SENet": [("legacy_seresnet18", 64, {})],
    "SHViT": [("shvit_s1", 64, {"depth": (1, 1, 1)})],
    "Sequencer2d": [
        (
            "sequencer2d_s",
            64,
            {"layers": (1, 1, 2, 1), "embed_dims": (8, 16, 16, 16), "hidden_sizes": (4, 8, 8, 8)},
        )
    ],
    "StarNet": [("starnet_s050", 64, {})],
    "SwiftFormer": [("swiftformer_xs", 64, {"layers": (1, 1, 2, 1)})],
    "SwinTransformer": [("swin_tiny_patch4_window7_224", 64, SWIN)],
    "SwinTransformerV2": [("swinv2_tiny_window8_256", 64, SWIN)],
    "SwinTransformerV2Cr": [("swinv2_cr_tiny_ns_224", 64, SWIN)],
    "TResNet": [("tresnet_m", 64, {"layers": (1, 1, 1, 1), "width_factor": 0.25})],
    "TinyVit": [
        (
            "tiny_vit_5m_224",
            64,
            {"depths": (1, 2, 1, 1), "embed_dims": (16, 32, 32, 64), "num_heads": (1, 1, 2, 2)},
        )
    ],
    "Twins": [("twins_pcpvt_small", 64, {"img_size": 64, "depths": (1, 2, 1, 1)})],
    "VOLO": [
        (
            "VOLO",
            64,
            {"img_size": 64, "layers": (1, 2, 1, 1), "embed_dims": (16, 32, 32, 32), "num_heads": (1, 2, 2, 2)},
        ),
    ],
    "VisionTransformer": [("test_vit", 160, {}), ("test_vit3", 160, {})],
    "VisionTransformerDistilled": [("deit_tiny_distilled_patch16_224", 32, VIT)],
    "VisionTransformerRelPos": [("vit_relpos_small_patch16_224", 32, VIT), ("test_vit_relpos", 160, {})],
    "VisionTransformerSAM": [("samvit_base_patch16_224", 32, {**VIT, "neck_chans": 16})],
    "VovNet": [
        (
            "vovnet39a",
            64,
            {
                "block_per_stage": (1, 1, 1, 1),
                "stem_chs": (8, 8, 16),
                "stage_conv_chs": (8, 8, 8, 8),
                "stage_out_chs": (16, 16, 32, 32),
            },
        )
    ],
    "Xcit": [("xcit_nano_12_p16_224", 32, VIT)],
}
MODELS = [pytest.param(family, *e, id=e[0]) for family, examples in EXAMPLES.items() for e in examples]


def make_anchor(name: str, size: int, kwargs: dict) -> Anchor:
    torch.manual_seed(0)
    create = partial(timm.create_model, name) if timm.is_model(name) else getattr(timm.models, name)
    model = create(num_classes=5, **kwargs)
    for module in model.modules():  # statistics as of a trained model, so that no two batch norms agree
        if getattr(module, "running_mean", None) is not None:
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return adapter_for(model, name)(AnchorDescription(name=name, alias=name), model, (3, size, size))


def test_every_class_has_an_example():
    assert set(EXAMPLES) == set(ADAPTERS)


@pytest.mark.parametrize(("family", "name", "size", "kwargs"), MODELS)
def test_parts_are_the_model(family, name, size, kwargs):
    anchor = make_anchor(name, size, kwargs).eval()
    assert type(anchor.model).__name__ == family
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        assert torch.equal(anchor(x), anchor.model(x))
    _assert_activations_are_as_declared(anchor)
    _assert_flops_add_up(anchor)
    _assert_parameters_are_owned(anchor, x)
    _assert_cuts(anchor, x)
    _assert_gradients(anchor, x)


def _assert_activations_are_as_declared(anchor: Anchor) -> None:
    for activation in anchor.activations.values():
        assert activation.layout == anchor.layout
        assert len(activation.shape) == (2 if anchor.layout == "NLC" else 3)
        assert activation.prefix == anchor.prefix


def _assert_flops_add_up(anchor: Anchor) -> None:
    parts = anchor_route(0, anchor.depths)
    shapes = [anchor.input_size, *(anchor.activations[part].shape for part in parts[:-1])]
    inputs = (torch.zeros(1, *shape) for shape in shapes)
    total = sum(count_flops(PartOfAnchor(anchor, part), x) for part, x in zip(parts, inputs, strict=True))
    assert total == count_flops(anchor.model, torch.zeros(1, *anchor.input_size))


def _assert_parameters_are_owned(anchor: Anchor, x: torch.Tensor) -> None:
    """A part owns what its gradient reaches; only learned rotary frequencies have many owners."""
    owners = Counter()
    for part in anchor_route(0, anchor.depths):
        anchor.zero_grad(set_to_none=True)
        x = anchor.run(part, x.detach())
        if x.requires_grad:
            x.square().sum().backward()
        reached = {name for name, p in anchor.model.named_parameters() if p.grad is not None}
        owned = {id(p) for p in anchor.parameters_of(part)}
        assert reached == {name for name, p in anchor.model.named_parameters() if id(p) in owned}, part
        owners.update(reached)
    assert set(owners) == {name for name, _ in anchor.model.named_parameters()}
    assert {name for name, count in owners.items() if count > 1} <= {"rope.freqs"}


@torch.no_grad()
def _assert_cuts(anchor: Anchor, x: torch.Tensor) -> None:
    """Cut in two early, in the middle or late, the halves hold their own parameters and run as the whole does."""
    parts, names = anchor_route(0, anchor.depths), {id(p): name for name, p in anchor.named_parameters()}
    expected = anchor(x)
    for place in (1, len(parts) // 2, len(parts) - 1):
        y = x
        for half in (parts[:place], parts[place:]):
            alone = cut(anchor, half)
            assert {name for name, _ in alone.named_parameters()} == {
                names[id(p)] for part in half for p in anchor.parameters_of(part)
            }
            for part in half:
                y = alone.run(part, y)
        assert torch.equal(y, expected), place


def _assert_gradients(anchor: Anchor, x: torch.Tensor) -> None:
    anchor.zero_grad(set_to_none=True)
    anchor.train()
    anchor(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in anchor.model.parameters())


GOLDEN_FLOPS = {
    "deit_tiny_patch16_224": 1258411200,
    "swin_tiny_patch4_window7_224": 4509194496,
    "resnet18": 1819065856,
    "resnet50": 4111512576,
    "levit_192": 661663808,
}


@pytest.mark.parametrize("name", GOLDEN_FLOPS)
def test_flops_are_the_published_ones(name):
    model = timm.create_model(name)
    anchor = adapter_for(model, name)(AnchorDescription(name=name, alias=name), model, (3, 224, 224))
    assert count_flops(anchor, torch.zeros(1, 3, 224, 224)) == GOLDEN_FLOPS[name]


@pytest.mark.parametrize("name", ["crossvit_9_240", "mvitv2_small_cls", "vit_srelpos_small_patch16_224"])
def test_what_cannot_be_cut_is_refused(name):
    with torch.device("meta"):
        model = timm.create_model(name)
    with pytest.raises(InputError, match=name):
        adapter_for(model, name)


def test_unknown_class_lists_the_supported_ones():
    with pytest.raises(InputError, match=r"Linear, which has no adapter.*ConvNeXt.*Xcit"):
        adapter_for(nn.Linear(1, 1), "linear")


def test_prefix_counts_class_and_register_tokens():
    anchors = [make_anchor("test_vit3", 160, {}), make_anchor("deit_tiny_distilled_patch16_224", 32, VIT)]
    assert [a.prefix for a in anchors] == [anchors[0].model.num_prefix_tokens, 2]
    assert all(a.activations[part].prefix == a.prefix for a in anchors for part in a.activations)
