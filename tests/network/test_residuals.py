"""Residuals and CKA of the initialisation against all activations held at once."""

import pytest
import torch

from snnet_lightning.anchors import create_anchors
from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw
from snnet_lightning.network import SNNet
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.network.least_squares import CoMoments, pseudo_inverse, solve
from snnet_lightning.network.residuals import linear_cka, relative, squared_error
from snnet_lightning.network.snnet import module_key
from snnet_lightning.network.stitching_layer import tokens_of
from snnet_lightning.stitch import StagedRule
from snnet_lightning.stitch.route import anchor_route, stitch_name

SAMPLES = 40


def activations(net, images):
    found = {}
    for index, anchor in enumerate(net.anchors):
        x = images
        for part in anchor_route(index, anchor.depths)[:-1]:
            x = found[part] = net.run(part, x)
    return found


def gram_cka(x, y):
    """By the definition: HSIC of the centred Gram matrices over the rows."""
    centre = torch.eye(len(x), dtype=x.dtype) - 1 / len(x)
    k, m = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    return ((k * m).sum() / (k.norm() * m.norm())).item()


def digits():
    data = DigitsDataset(True)
    return torch.stack([data.__getitems__([Draw(i)])[0][0] for i in range(SAMPLES)])


def pictures():
    return torch.rand(SAMPLES, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["tokens", "maps"])
def net_and_images(request, digits_net):
    if request.param == "tokens":
        return digits_net, digits()
    torch.manual_seed(0)
    anchors = create_anchors(["resnet18", "resnet34"], (3, 64, 64), 10, weights="random")
    net = SNNet(anchors, StagedRule(stages=(1, 2))).eval()
    return net, pictures()


@torch.no_grad()
def test_every_place_of_every_layer(net_and_images):
    net, images = net_and_images
    seen, residuals = initialise_by_least_squares(net, images.split(16), SAMPLES)
    assert seen == SAMPLES
    assert [residual.layer for residual in residuals] == [module_key(layer) for layer in net.space.crossings]
    kept = activations(net, images)
    names, depths = [a.name for a in net.anchors], [a.depths for a in net.anchors]
    for residual, (layer, pairs) in zip(residuals, net.space.crossings.items(), strict=True):
        stitching_layer = net.stitching_layers[module_key(layer)]
        errors = totals = 0
        for place, (before, after) in zip(residual.places, pairs, strict=True):
            assert place.name == stitch_name((before, layer, after), names, depths)
            target = kept[net.part_before(after)]
            given, wanted = (
                tokens_of(x, stitching_layer.target).flatten(0, 1).double()
                for x in (stitching_layer(kept[before]), target)
            )
            error, total = (given - wanted).square().sum(), (wanted - wanted.mean(0)).square().sum()
            assert place.relative_error == pytest.approx((error / total).sqrt().item(), rel=1e-3)
            x = stitching_layer.align(kept[before]).flatten(0, 1).double()
            if len(x) < 1000:
                assert place.cka == pytest.approx(gram_cka(x, wanted), rel=1e-6)
            errors, totals = errors + error, totals + total
        assert residual.relative_error == pytest.approx((errors / totals).sqrt().item(), rel=1e-3)
        assert residual.cka == pytest.approx(sum(p.cka for p in residual.places) / len(residual.places))
        assert 0 < residual.relative_error < 2
        assert 0 < residual.cka < 1


def test_a_linear_copy_has_no_residual_and_full_alignment():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(300, 6, generator=generator).double()
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator).double())
    y = 3 * x @ rotation + 5
    moments = CoMoments(), CoMoments(), CoMoments()
    for held, (a, b) in zip(moments, ((x, x), (x, y), (y, y)), strict=True):
        held.update(a, b)
    weight, bias = solve(pseudo_inverse(moments[0]), moments[1])
    total = moments[2].products.trace().item()
    assert relative(squared_error(*moments, weight, bias), total) < 1e-6
    assert linear_cka(*moments) == pytest.approx(1)
    mean_only = torch.zeros_like(weight), y.mean(0)
    assert relative(squared_error(*moments, *mean_only), total) == pytest.approx(1)
