"""The small U-shaped net: zero at the start, local in what it sees of the level, and able to learn both."""

import pytest
import torch

from coursework.nets.unet import LevelEmbedding, SmallUNet


def test_it_starts_at_zero_and_every_weight_learns():
    torch.manual_seed(0)
    net = SmallUNet(8, (8, 12))
    x, level = torch.randn(3, 8, 12), torch.rand(3)
    assert not net(x, level).any()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        (net(x, level) - x).square().mean().backward()
        optimizer.step()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_it_tells_levels_apart_and_images_not_from_one_another():
    torch.manual_seed(0)
    net = SmallUNet(8, (8, 8))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.randn(2, 8, 8)
    one, other = net(x, torch.tensor([0.1, 0.1])), net(x, torch.tensor([0.1, 0.9]))
    torch.testing.assert_close(one[0], other[0])
    assert (one[1] - other[1]).abs().max() > 1e-3


def test_close_levels_have_close_features_and_far_ones_do_not():
    features = LevelEmbedding(32)
    angles = torch.tensor([0.5, 0.5 + 1e-5, 0.9])[:, None] * features.frequencies
    waves = torch.cat([angles.sin(), angles.cos()], 1)
    assert (waves[0] - waves[1]).norm() < 0.05
    assert (waves[0] - waves[2]).norm() > 1
    torch.testing.assert_close(waves.square().sum(1), torch.full((3,), 16.0))


@pytest.mark.parametrize(("channels", "shape"), [(6, (8, 8)), (8, (10, 8))])
def test_sizes_that_do_not_divide_are_refused(channels, shape):
    with pytest.raises(ValueError, match="divisible by 4"):
        SmallUNet(channels, shape)
