"""The streamed solution against torch.linalg.lstsq on everything at once."""

import pytest
import torch

from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw
from snnet_lightning.errors import InputError
from snnet_lightning.network.initialise import initialise_by_least_squares
from snnet_lightning.network.least_squares import CoMoments, pseudo_inverse, solve
from snnet_lightning.stitch.route import Block


def streamed(x, y, batch):
    inputs, crossed = CoMoments(), CoMoments()
    for xs, ys in zip(x.split(batch), y.split(batch), strict=True):
        inputs.update(xs, xs)
        crossed.update(xs, ys)
    return solve(pseudo_inverse(inputs), crossed)


def stacked(x, y):
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    solution = torch.linalg.lstsq(ones, y, driver="gelsd").solution
    return solution[:-1], solution[-1]


@pytest.mark.parametrize("spread", [0, 2])  # decades over which the features' scales are spread
@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_equals_lstsq_at_full_rank(spread, mean):
    generator = torch.Generator().manual_seed(0)
    scales = torch.logspace(0, spread, 24, dtype=torch.float64)
    x = torch.randn(700, 24, generator=generator, dtype=torch.float64) * scales + mean
    y = torch.randn(700, 9, generator=generator, dtype=torch.float64) + 3
    weight, bias = streamed(x, y, 64)
    expected_weight, expected_bias = stacked(x, y)
    assert (weight - expected_weight).norm() <= 1e-6 * expected_weight.norm()
    assert (bias - expected_bias).norm() <= 1e-6 * expected_bias.norm()


def test_does_not_depend_on_the_batch_size():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(500, 16, generator=generator) @ torch.randn(16, 16, generator=generator) + 5
    y = torch.randn(500, 8, generator=generator)
    whole = streamed(x, y, 500)
    for batch in (1, 7, 64):
        for part, expected in zip(streamed(x, y, batch), whole, strict=True):
            torch.testing.assert_close(part, expected, rtol=1e-9, atol=1e-11)


def test_rank_deficient_inputs_are_fitted_as_well_as_possible():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(300, 5, generator=generator, dtype=torch.float64) @ torch.randn(5, 20, generator=generator).double()
    y = torch.randn(300, 4, generator=generator, dtype=torch.float64)
    weight, bias = streamed(x, y, 50)
    expected_weight, expected_bias = stacked(x, y)
    torch.testing.assert_close(x @ weight + bias, x @ expected_weight + expected_bias, rtol=1e-8, atol=1e-8)
    assert weight.abs().max() < 10  # no direction of pure rounding noise was blown up


def test_features_that_never_vary_stay_out():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(200, 6, generator=generator)
    y = torch.randn(200, 2, generator=generator)
    x[:, 1] = 0
    x[:, 4] = 7.3 + 1e-7 * torch.randn(200, generator=generator)  # constant but for rounding
    weight, bias = streamed(x, y, 32)
    varying = [0, 2, 3, 5]
    expected_weight, expected_bias = stacked(x[:, varying].double(), y.double())
    torch.testing.assert_close(weight[varying], expected_weight, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(bias, expected_bias, rtol=1e-6, atol=1e-9)
    assert not weight[[1, 4]].any()


def test_memory_does_not_grow_with_the_number_of_batches():
    moments = CoMoments()
    sizes = set()
    for _ in range(20):
        moments.update(torch.randn(64, 8), torch.randn(64, 3))
        tensors = [v for v in vars(moments).values() if isinstance(v, torch.Tensor)]
        sizes.add(sum(t.numel() for t in tensors))
    assert sizes == {8 + 3 + 8 * 3}


def test_data_without_images_are_refused(digits_net):
    with pytest.raises(InputError, match="the data gave none"):
        initialise_by_least_squares(digits_net, [], 100)


def test_broken_weights_are_named(digits_net):
    with torch.no_grad():
        digits_net.anchors[0].model.blocks[0].mlp.fc1.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="not finite"):
        initialise_by_least_squares(digits_net, [torch.randn(4, 1, 8, 8)], 4)


@torch.no_grad()
def test_layers_of_the_network_equal_the_mean_of_lstsq_solutions(digits_net):
    train = DigitsDataset(train=True)
    images = torch.stack([train[Draw(i)][0] for i in range(100)])
    seen, _ = initialise_by_least_squares(digits_net, images.split(32), 100)
    assert seen == 100

    def after(anchor, blocks):
        model = digits_net.anchors[anchor].model
        x = model._pos_embed(model.patch_embed(images))
        for block in model.blocks[:blocks]:
            x = block(x)
        return x.flatten(0, 1).double()

    # Layer "0_1" is shared by (1 -> 2), (2 -> 1) and (2 -> 2) of the first pair of anchors.
    pairs = [(1, 2), (2, 1), (2, 2)]
    crossed = next(pairs for layer, pairs in digits_net.space.crossings.items() if layer.key == (0, 1))
    assert crossed == tuple((Block(0, 0, j), Block(1, 0, k)) for j, k in pairs)
    solutions = [stacked(after(0, j + 1), after(1, k)) for j, k in pairs]
    layer = digits_net.stitching_layers["0_1"].transform
    weight = torch.stack([w for w, _ in solutions]).mean(0).T
    bias = torch.stack([b for _, b in solutions]).mean(0)
    assert (layer.weight - weight).norm() <= 1e-5 * weight.norm()  # float32 activations and parameters
    assert (layer.bias - bias).norm() <= 1e-5 * bias.norm()
