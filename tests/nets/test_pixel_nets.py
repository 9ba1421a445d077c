"""Nets of the sources: their weights counted by hand, their start, their shapes."""

import pytest
import torch
from torch import nn

from coursework.nets.pixel_nets import ARCHITECTURES, pixel_nets, start_at_mean


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("architecture", "latent_dim", "features", "decoder"),
    [
        ("mlp", 20, 785 * 512 + 513 * 256, 21 * 256 + 257 * 512 + 513 * 784),
        ("tanh", 20, 785 * 500, 21 * 500 + 501 * 784),
        ("deep-tanh", 50, 785 * 200 + 201 * 200, 51 * 200 + 201 * 200 + 201 * 784),
    ],
)
def test_dense_nets_have_the_layers_that_their_names_say(architecture, latent_dim, features, decoder):
    nets = pixel_nets(architecture, latent_dim)
    assert (count(nets.features), count(nets.logits)) == (features, decoder)


def test_activations_are_the_sources():
    kinds = {
        name: [{type(part) for part in net.modules()} & {nn.ReLU, nn.Tanh} for net in (nets.features, nets.logits)]
        for name in ("mlp", "tanh", "deep-tanh")
        for nets in [pixel_nets(name, 5)]
    }
    assert kinds == {
        "mlp": [{nn.ReLU}, {nn.ReLU}],
        "tanh": [{nn.ReLU}, {nn.Tanh}],
        "deep-tanh": [{nn.Tanh}, {nn.Tanh}],
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(28, 28), (8, 8)])
def test_shapes_and_gradients_reach_every_weight(architecture, shape):
    nets = pixel_nets(architecture, 3, shape)
    features = nets.features(torch.rand(4, *shape))
    assert features.shape == (4, nets.num_features)
    logits = nets.logits(torch.randn(4, 3))
    assert logits.shape == (4, *shape)
    (features.square().sum() + logits.square().sum()).backward()
    for parameter in [*nets.features.parameters(), *nets.logits.parameters()]:
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_the_start_says_the_mean_image():
    images = torch.randint(0, 256, (50, 28, 28), dtype=torch.uint8)
    images[:, 0, 0] = 0
    nets = pixel_nets("mlp", 2)
    start_at_mean(nets.logits, images)
    *_, last = (part for part in nets.logits.modules() if isinstance(part, nn.Linear))
    mean = images.float().mean(0).flatten() / 255
    torch.testing.assert_close(last.bias.sigmoid()[1:], mean[1:])
    assert last.bias.sigmoid()[0].item() == pytest.approx(1e-3)
    convolutional = pixel_nets("cnn", 2)
    start_at_mean(convolutional.logits, images)
    assert convolutional.logits[-2].bias.sigmoid().item() == pytest.approx(mean.mean().item(), abs=1e-4)


def test_what_is_unknown_or_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="'vgg'"):
        pixel_nets("vgg", 2)
    with pytest.raises(ValueError, match=r"\(30, 28\)"):
        pixel_nets("cnn", 2, (30, 28))
