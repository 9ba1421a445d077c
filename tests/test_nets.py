"""Nets: what their parts compute, against the same written out."""

import pytest
import torch
from sklearn.decomposition import PCA

from coursework.nets import ConvClassifier, SkipDecoder, squash


def test_the_decoder_is_its_equation():
    net = SkipDecoder(3, (5,), (4, 4), leak=0.1)
    z = 4 * torch.randn(6, 3)
    hidden = torch.nn.functional.gelu(z @ net.mlp[0].weight.T + net.mlp[0].bias)
    flat = z @ net.linear.weight.T + net.linear.bias + hidden @ net.mlp[2].weight.T + net.mlp[2].bias
    expected = torch.where(flat < 0, 0.1 * flat, torch.where(flat > 1, 1 + 0.1 * (flat - 1), flat))
    torch.testing.assert_close(net(z), expected.reshape(6, 4, 4))
    assert (flat < 0).any()
    assert (flat > 1).any()


@pytest.mark.parametrize("leak", [0.0, 0.01, 1.0])
def test_squash_has_slope_one_inside_and_leak_outside(leak):
    x = torch.tensor([-2.0, 0.4, 5.0], dtype=torch.float64, requires_grad=True)
    squash(x, leak).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([leak, 1.0, leak], dtype=torch.float64))


def test_starting_from_images_is_starting_from_pca():
    images = torch.rand(50, 6, 6)
    net = SkipDecoder(4, (), (6, 6), leak=1.0)
    net.start_from(images)
    fitted = PCA(4, svd_solver="full").fit(images.flatten(1).numpy())
    expected = torch.from_numpy(fitted.inverse_transform(fitted.transform(images.flatten(1).numpy())))
    torch.testing.assert_close(net(net.linear_codes(images)).flatten(1), expected.float(), atol=1e-4, rtol=1e-4)


def test_more_dimensions_than_images_start_at_zero():
    net = SkipDecoder(12, (8,), (6, 6))
    net.start_from(torch.rand(5, 6, 6))
    assert torch.equal(net.linear.weight[:, 5:], torch.zeros(36, 7))
    assert torch.isfinite(net.linear_codes(torch.rand(3, 6, 6))).all()


def test_without_parts_or_without_a_linear_map():
    with pytest.raises(ValueError, match="leave no decoder"):
        SkipDecoder(3, (), linear=False)
    with pytest.raises(ValueError, match="linear = False"):
        SkipDecoder(3, (4,), linear=False).linear_codes(torch.rand(2, 28, 28))
    net = SkipDecoder(3, (4,), (6, 6), linear=False)
    images = torch.rand(30, 6, 6)
    net.start_from(images)
    torch.testing.assert_close(net.mlp[-1].bias, images.mean(0).flatten())


def test_classifier_s_head_reads_its_features():
    net = ConvClassifier(7, 16, (8, 8))
    x = torch.rand(3, 8, 8)
    torch.testing.assert_close(net(x), net.features(x) @ net.head.weight.T + net.head.bias)
