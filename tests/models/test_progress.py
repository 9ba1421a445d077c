"""What is recorded on the way, and the plane of latents."""

import scipy.stats
import torch
from torch import nn

from coursework.conditionals import BernoulliDecoder
from coursework.models.manifold import quantile_grid
from coursework.models.progress import Progress, doubling


def made(decoder, bounds):
    numbers = iter(bounds)
    z = torch.randn(3, 2)
    return Progress(decoder, z, (2, 2), (0, 2), 2, lambda: next(numbers) + 0 * torch.rand(()).item())


def test_pictures_are_of_the_decoder_as_it_was_then():
    net = nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (2, 2)))
    decoder = BernoulliDecoder(net)
    progress = made(decoder, [1.0, 2.0, 3.0])
    early = net(progress.z).sigmoid().detach()
    progress.record(0)
    progress.record(1)
    with torch.no_grad():
        net[0].weight.mul_(-1)
    progress.record(2)
    torch.testing.assert_close(progress.shown[0], early)
    torch.testing.assert_close(progress.shown[1], net(progress.z).sigmoid().detach())
    assert progress.bounds.tolist() == [1.0, 2.0, 3.0]


def test_being_watched_changes_no_draw():
    progress = made(BernoulliDecoder(nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (2, 2)))), [0.0])
    before = torch.get_rng_state()
    progress.record(0)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_survives_a_checkpoint_and_holds_no_weights_of_others():
    net = BernoulliDecoder(nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (2, 2))))
    first, second = made(net, [7.0]), made(net, [])
    first.record(0)
    assert set(first.state_dict()) == {"z", "shown", "bounds"}
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.shown, first.shown)
    assert second.bounds[0] == 7.0
    assert second.bounds[1] == 0


def test_doubling_ends_at_the_end():
    assert doubling(1) == (0, 1)
    assert doubling(8) == (0, 1, 2, 4, 8)
    assert doubling(40) == (0, 1, 2, 4, 8, 16, 32, 40)


def test_each_point_of_the_plane_stands_for_as_much_of_the_prior():
    grid = quantile_grid(5)
    shares = scipy.stats.norm.cdf(grid.numpy()).reshape(5, 5, 2)
    for row in range(5):
        for column in range(5):
            expected = ((column + 0.5) / 5, 1 - (row + 0.5) / 5)
            assert abs(shares[row, column] - expected).max() < 1e-6
