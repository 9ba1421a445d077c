"""The encoder's net: what its features let a linear head do."""

import pytest
import torch

from coursework.nets.encoders import ConvEncoder


def test_the_last_features_are_the_pixels_in_reading_order():
    x = torch.rand(3, 8, 12)
    net = ConvEncoder(2, 5, (8, 12))
    features = net(x)
    assert features.shape == (3, net.num_features)
    assert torch.equal(features[:, 5:], x.reshape(3, 96))


def test_every_pixel_reaches_the_hidden_features():
    net = ConvEncoder(4, 64, (8, 8))
    x = torch.rand(1, 8, 8, requires_grad=True)
    net(x)[:, :64].sum().backward()
    assert (x.grad != 0).all()


def test_sides_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"image_shape = \(28, 30\)"):
        ConvEncoder(image_shape=(28, 30))
