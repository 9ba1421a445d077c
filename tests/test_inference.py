"""Test-time latents: the decoder comes back untouched, images do not influence each other, the optimum is reached."""

import pytest
import torch
from torch import nn

from coursework.conditionals import GaussianDecoder, LatentTable
from coursework.distributions.families import FAMILIES
from coursework.errors import NonFiniteError
from coursework.inference import decode, infer_latents, interpolate, sample_prior


class Images(nn.Module):
    """A linear map to small images, with a batch norm and dropout to tempt the code."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 16)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.5)

    def forward(self, z):
        return self.drop(self.norm(self.linear(z))).unflatten(1, (4, 4))


def infer(decoder, x, family="delta", beta=0.0, **changes):
    settings = {
        "beta": beta,
        "num_steps": 500,
        "lr": 0.1,
        "generator": torch.Generator().manual_seed(0),
    } | changes
    return infer_latents(decoder, x, FAMILIES[family], 3, **settings)


@pytest.fixture
def decoder():
    decoder = GaussianDecoder(Images(), 0.3)
    decoder.train()
    return decoder


def test_weights_and_buffers_stay_bit_identical_and_modes_come_back(decoder):
    decoder.net.linear.bias.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in decoder.state_dict().items()}
    infer(decoder, torch.rand(5, 4, 4), num_steps=20)
    assert all(torch.equal(tensor, before[name]) for name, tensor in decoder.state_dict().items())
    assert decoder.training
    assert decoder.net.drop.training
    assert not decoder.net.linear.bias.requires_grad
    assert decoder.net.linear.weight.requires_grad
    assert decoder.net.linear.weight.grad is None


def test_a_point_fit_reaches_the_least_squares_solution(decoder):
    x = torch.rand(6, 4, 4)
    table = infer(decoder, x)
    decoder.eval()
    with torch.no_grad():
        zero = decode(decoder, torch.zeros(1, 3)).flatten()
        matrix = torch.stack([decode(decoder, row[None]).flatten() - zero for row in torch.eye(3)], 1)
    exact = torch.linalg.lstsq(matrix, (x.flatten(1) - zero).T).solution.T
    torch.testing.assert_close(table.locations(), exact, atol=1e-3, rtol=1e-3)


def test_a_normal_fit_reaches_the_exact_posterior(decoder):
    """A linear decoder and β = 1: the location of the true Gaussian posterior, and its diagonal precision."""
    x = torch.rand(4, 4, 4)
    table = infer(decoder, x, "normal", beta=1.0, num_steps=3000, lr=0.05)
    decoder.eval()
    with torch.no_grad():
        zero = decode(decoder, torch.zeros(1, 3)).flatten()
        matrix = torch.stack([decode(decoder, row[None]).flatten() - zero for row in torch.eye(3)], 1)
    precision = torch.eye(3) + matrix.T @ matrix / decoder.scale**2
    loc = torch.linalg.solve(precision, matrix.T @ (x.flatten(1) - zero).T / decoder.scale**2).T
    law = table(torch.arange(4))
    torch.testing.assert_close(law.mean, loc, atol=0.05, rtol=0.05)
    torch.testing.assert_close(law.stddev, precision.diagonal().rsqrt().expand(4, 3), atol=0.02, rtol=0.1)


def test_an_image_is_fitted_the_same_in_any_company(decoder):
    x = torch.rand(6, 4, 4)
    together = infer(decoder, x, num_steps=50, init_scale=0.0).locations()
    halves = infer(decoder, x, num_steps=50, init_scale=0.0, batch_size=2).locations()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    shuffled = infer(decoder, x[order], num_steps=50, init_scale=0.0).locations()
    torch.testing.assert_close(together, halves)
    torch.testing.assert_close(together[order], shuffled)


def test_a_fit_that_diverges_is_named(decoder):
    with pytest.raises(NonFiniteError, match="rate"):
        infer(decoder, torch.full((2, 4, 4), float("nan")), num_steps=3)


def test_interpolation_has_its_ends_and_even_steps():
    start, end = torch.randn(7), torch.randn(7)
    path = interpolate(start, end, 5)
    assert path.shape == (7, 7)
    torch.testing.assert_close(path[0], start)
    torch.testing.assert_close(path[-1], end)
    torch.testing.assert_close(path.diff(dim=0), ((end - start) / 6).expand(6, 7))


def test_prior_draws_depend_on_the_seed_alone():
    prior = FAMILIES["normal"].prior(4)
    state = torch.get_rng_state()
    first = sample_prior(prior, 3, seed=8)
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(5)
    assert torch.equal(first, sample_prior(prior, 3, seed=8))
    assert not torch.equal(first, sample_prior(prior, 3, seed=9))


def test_a_given_start_is_where_it_starts_and_is_left_alone(decoder):
    start = LatentTable(4, 3, FAMILIES["normal"], init_scale=1.0, generator=torch.Generator().manual_seed(2))
    before = start.raw.clone()
    table = infer(decoder, torch.rand(4, 4, 4), "normal", start=start, num_steps=1, lr=1e-6)
    torch.testing.assert_close(table.raw, before, atol=1e-5, rtol=0)
    assert torch.equal(start.raw, before)
