"""The coupling on grey levels as a law: every mass positive, all of them one, and the mixture that it says it is."""

import pytest
import torch
from torch import nn

from coursework.distributions.level_coupling import LevelCoupling
from coursework.nets.gated import GatedConvNet
from coursework.nets.mlp import MLP

SEEN, MOVED = torch.tensor([True, False, False]), torch.tensor([False, False, True])
GREYS = torch.cat([torch.zeros(300), torch.arange(0, 255, 3), torch.full((60,), 253)]).byte().view(1, 1, -1)


def dense(num_laws=6, net=None):
    coupling = LevelCoupling(net or MLP([2, 6, num_laws], nn.Tanh), SEEN, MOVED, GREYS, num_laws)
    for parameter in coupling.net.parameters():
        nn.init.normal_(parameter, std=0.7)
    return coupling.double()


@torch.no_grad()
def log_mass(coupling, x):
    """Of the moved pixel's level: what a standard normal latent and the log-determinant add up to."""
    z, log_det = coupling.push(x)
    return torch.distributions.Normal(0, 1).log_prob(z[:, 2]) + log_det


def levels(kept, offset):
    x = torch.full((256, 3), 7.5, dtype=torch.float64)
    x[:, 0], x[:, 2] = kept, torch.arange(256) + offset
    return x


def test_the_masses_are_positive_and_add_up_to_one_whatever_is_kept():
    for kept in (0.0, 128.3, 255.9):
        masses = log_mass(dense(), levels(kept, 0.5)).exp()
        assert masses.min() > 0
        assert masses.sum().item() == pytest.approx(1, abs=1e-9)


def test_noise_within_a_level_costs_nothing():
    coupling = dense()
    torch.testing.assert_close(log_mass(coupling, levels(30.1, 0.01)), log_mass(coupling, levels(30.9, 0.99)))


def test_a_mass_is_that_of_the_mixture():
    net = MLP([2, 3])
    coupling = dense(3, net)
    nn.init.zeros_(net[0].weight)
    net[0].bias.data = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
    laws = (10 * coupling.logits).softmax(0).detach()
    expected = 0.999 * (0.2 * laws[:, 0] + 0.5 * laws[:, 1] + 0.3 * laws[:, 2]) + 0.001 / 256
    torch.testing.assert_close(log_mass(coupling, levels(0.0, 0.5)).exp(), expected)


def test_laws_start_at_what_is_frequent_and_all_over():
    coupling = dense()
    laws = coupling.logits.detach().mul(10).softmax(0)
    assert laws[:, 0].argmax() == 0
    assert laws[:, 1].argmax() == 253
    means = (laws[:, 3:] * torch.arange(256)[:, None]).sum(0)
    assert means[0] < means[1] < means[2]


def test_what_it_keeps_stays_and_what_it_does_not_see_does_not_matter():
    coupling, x = dense(), levels(50.0, 0.5)
    other = x.clone()
    other[:, 1] = 99.0
    assert torch.equal(coupling(x)[:, :2], x[:, :2])
    assert torch.equal(coupling(x)[:, 2], coupling(other)[:, 2])


def test_every_level_comes_back():
    coupling, x = dense(), levels(20.0, 0.5)
    torch.testing.assert_close(coupling.inv(coupling(x)), x, rtol=0, atol=1e-6)
    images = LevelCoupling(GatedConvNet(2, 6, 4, 1, (2, 2)), SEEN, MOVED, GREYS, 6, event_dim=3)
    x = 256 * torch.rand(8, 3, 2, 2)
    torch.testing.assert_close(images.inv(images(x)), x, rtol=0, atol=0.05)


def test_training_finds_the_law_of_a_pixel_given_another():
    generator = torch.Generator().manual_seed(0)
    kept = torch.randint(0, 2, (400,), generator=generator) * 253
    x = torch.stack([kept, kept, 253 - kept], 1).double() + torch.rand(400, 3, generator=generator)
    coupling = dense()
    optimiser = torch.optim.Adam(coupling.parameters(), lr=0.1)
    for _ in range(25):
        optimiser.zero_grad()
        z, log_det = coupling.push(x)
        (z[:, 2].square() / 2 - log_det).mean().backward()
        optimiser.step()
    assert log_mass(coupling, x).exp().min() > 0.7


@pytest.mark.parametrize(("seen", "moved"), [([True, True], [False, True]), ([True, False], [False, False])])
def test_masks_that_contradict_are_refused(seen, moved):
    with pytest.raises(ValueError, match="moves some entries, none that it sees"):
        LevelCoupling(MLP([2, 3]), torch.tensor(seen), torch.tensor(moved), GREYS, 3)


def test_one_law_is_no_mixture():
    with pytest.raises(ValueError, match="at least 2"):
        LevelCoupling(MLP([2, 1]), SEEN, MOVED, GREYS, 1)
