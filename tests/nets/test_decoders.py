"""Nets: what their parts compute, against the same written out."""

import pytest
import torch
from sklearn.decomposition import PCA

from coursework.nets.decoders import LocalDecoder, SkipDecoder, squash
from coursework.nets.mlp import MLP


def test_the_decoder_is_its_equation():
    mlp = MLP([3, 5, 16])
    net = SkipDecoder(3, mlp, (4, 4), leak=0.1)
    z = 4 * torch.randn(6, 3)
    hidden = torch.nn.functional.gelu(z @ mlp[0].weight.T + mlp[0].bias)
    flat = z @ net.linear.weight.T + net.linear.bias + hidden @ mlp[2].weight.T + mlp[2].bias
    expected = torch.where(flat < 0, 0.1 * flat, torch.where(flat > 1, 1 + 0.1 * (flat - 1), flat))
    torch.testing.assert_close(net(z), expected.reshape(6, 4, 4))
    assert (flat < 0).any()
    assert (flat > 1).any()


@pytest.mark.parametrize("leak", [0.0, 0.01, 1.0])
def test_squash_has_slope_one_inside_and_leak_outside(leak):
    x = torch.tensor([-2.0, 0.4, 5.0], dtype=torch.float64, requires_grad=True)
    squash(x, leak).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([leak, 1.0, leak], dtype=torch.float64))


def test_a_cell_s_pixels_depend_on_the_features_of_its_neighbourhood_alone():
    net = LocalDecoder(5, 3, (20, 12), patch=4)
    z = torch.randn(2, 5)
    cells = net.features(z).relu().reshape(2, 5, 3, 3)  # image, row, column, channel
    padded = torch.nn.functional.pad(cells, (0, 0, 1, 1, 1, 1))
    expected = torch.empty(2, 20, 12)
    for row in range(5):
        for column in range(3):
            around = padded[:, row : row + 3, column : column + 3]  # image, 3, 3, channel
            pixels = torch.einsum("bijc,pcij->bp", around, net.pixels.weight) + net.pixels.bias
            expected[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = pixels.reshape(2, 4, 4)
    torch.testing.assert_close(net(z), expected.flatten(1))


def test_cells_that_do_not_fill_the_image_are_refused():
    with pytest.raises(ValueError, match=r"\(10, 8\) does not divide into cells of 4"):
        LocalDecoder(3, 2, (10, 8))


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (0.5, 0.25)])
def test_starting_from_images_is_starting_from_pca(mean, spread):
    images = torch.rand(50, 6, 6)
    rows = images.flatten(1)
    net = SkipDecoder(4, None, (6, 6), leak=1.0)
    net.start_from(images, mean, spread)
    fitted = PCA(4, svd_solver="full").fit(rows.numpy())
    expected = torch.from_numpy(fitted.inverse_transform(fitted.transform(rows.numpy()))).float()
    found = torch.linalg.lstsq(net.linear.weight, (rows - net.linear.bias).T).solution.T
    torch.testing.assert_close(net(found).flatten(1), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.mean(0), torch.full((4,), mean), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.std(0, correction=0), torch.full((4,), spread), atol=1e-3, rtol=0)


@pytest.mark.parametrize("latent_dim", [3, 50])
def test_the_linear_problem_has_the_gradients_of_the_linear_map(latent_dim):
    net = SkipDecoder(latent_dim, MLP([latent_dim, 4, 36]), (6, 6), leak=0.0)
    images, z = torch.rand(5, 6, 6), torch.randn(5, latent_dim, requires_grad=True)
    reduced, targets = net.linear_problem(images)
    (found,) = torch.autograd.grad((reduced(z) - targets).square().sum(), z)
    (expected,) = torch.autograd.grad((net.linear(z) - images.flatten(1)).square().sum(), z)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_more_dimensions_than_images_start_at_zero():
    net = SkipDecoder(12, MLP([12, 8, 36]), (6, 6))
    net.start_from(torch.rand(5, 6, 6))
    assert torch.equal(net.linear.weight[:, 5:], torch.zeros(36, 7))


def test_without_parts_or_without_a_linear_map():
    with pytest.raises(ValueError, match="leave no decoder"):
        SkipDecoder(3, None, linear=False)
    with pytest.raises(ValueError, match="linear = False"):
        SkipDecoder(3, MLP([3, 784]), linear=False).linear_problem(torch.rand(2, 28, 28))
    mlp = MLP([3, 4, 36])
    net = SkipDecoder(3, mlp, (6, 6), linear=False)
    images = torch.rand(30, 6, 6)
    net.start_from(images)
    torch.testing.assert_close(mlp[-1].bias, images.mean(0).flatten())
