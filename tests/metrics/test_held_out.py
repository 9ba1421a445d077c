"""Held-out likelihood on a linear-Gaussian model with an exact evidence; bounds against their closed forms."""

import pytest
import torch
from torch import nn

from coursework.conditionals import Encoder, GaussianDecoder
from coursework.derivations.linear_gaussian import linear_gaussian_evidence
from coursework.distributions.families import FAMILIES
from coursework.metrics.held_out import bound, held_out_nll

NOISE = 0.5


@pytest.fixture
def model():
    """z ~ N(0, I₂), x|z ~ N(W z, 0.5²) in four dimensions, and an encoder a little off the posterior."""
    weight = torch.tensor([[1.0, 0.2], [0.3, -0.8], [0.5, 0.5], [0.0, 1.0]])
    net = nn.Linear(2, 4, bias=False)
    encoder = Encoder(nn.Flatten(), 4, 2, FAMILIES["normal"])
    with torch.no_grad():
        net.weight.copy_(weight)
        precision = torch.eye(2) + weight.T @ weight / NOISE**2
        encoder.head.weight.zero_()
        encoder.head.weight[:2] = torch.linalg.solve(precision, weight.T / NOISE**2)
        raw = [FAMILIES["normal"].raw(0.0, 1.3 * s)[1] for s in precision.diagonal().rsqrt().tolist()]
        encoder.head.bias.copy_(torch.tensor([0.0, 0.0, *raw]))
    x = torch.randn(300, 2) @ weight.T + NOISE * torch.randn(300, 4)
    exact = linear_gaussian_evidence(x.double(), weight.double(), NOISE)
    return encoder, GaussianDecoder(net, NOISE), FAMILIES["normal"].prior(2), x, exact


def test_all_images_within_three_standard_errors_of_the_exact_likelihood(model):
    encoder, decoder, prior, x, exact = model
    found = held_out_nll(encoder, decoder, prior, x, 5000)
    assert abs(found.nll + exact.mean().item()) < 3 * found.standard_error
    assert found.standard_error < 2e-3
    assert found.image_error == pytest.approx((exact.std() / 300**0.5).item(), rel=0.02)
    torch.testing.assert_close(found.per_image.double(), exact, atol=0.15, rtol=0)


def test_two_levels_within_three_standard_errors_and_closer_than_the_few_images_alone(model):
    encoder, decoder, prior, x, exact = model
    found = held_out_nll(encoder, decoder, prior, x, 2000, num_images=40, base_draws=5)
    assert abs(found.nll + exact.mean().item()) < 3 * found.standard_error
    alone = abs(exact[:40].mean() - exact.mean()).item()
    assert 5 * found.standard_error < alone
    assert len(found.per_image) == 40


def test_the_two_level_error_is_the_spread_over_repetitions(model):
    encoder, decoder, prior, x, _ = model
    repeated = []
    for start in range(60):
        rows = (torch.arange(120) * 7 + start * 5) % 300  # other images get many draws each time
        repeated.append(held_out_nll(encoder, decoder, prior, x[rows], 200, num_images=30, base_draws=3))
    truth = [-model[4][(torch.arange(120) * 7 + start * 5) % 300].mean().item() for start in range(60)]
    misses = torch.tensor([found.nll - true for found, true in zip(repeated, truth, strict=True)])
    claimed = torch.tensor([found.standard_error for found in repeated]).square().mean().sqrt()
    assert misses.std() == pytest.approx(claimed.item(), rel=0.35)


def test_the_bound_is_below_the_likelihood_by_the_divergence(model):
    encoder, decoder, prior, x, exact = model
    many = x.repeat(100, 1)
    found = bound(encoder, decoder, prior, many)
    posterior = encoder(x)
    with torch.no_grad():
        closed = torch.distributions.kl_divergence(posterior, prior).mean().item()
        variance = posterior.variance @ decoder.net.weight.square().T
        squares = (x - decoder.net(posterior.mean)).square() + variance
        constant = 0.5 * torch.log(torch.tensor(2 * torch.pi * NOISE**2))
        likelihood = (-squares / (2 * NOISE**2) - constant).sum(1).mean().item()
    assert found.kl == pytest.approx(closed, rel=1e-5)
    assert found.log_likelihood == pytest.approx(likelihood, abs=0.03)
    assert found.elbo == pytest.approx(found.log_likelihood - found.kl)
    assert found.elbo < exact.mean().item() - 0.05


@pytest.mark.parametrize("wrong", [{"num_draws": 1}, {"num_images": 0}, {"num_images": 301}, {"base_draws": 0}])
def test_impossible_numbers_are_refused(model, wrong):
    encoder, decoder, prior, x, _ = model
    with pytest.raises(ValueError, match=r"num_draws = .*num_images = "):
        held_out_nll(encoder, decoder, prior, x, **{"num_draws": 10} | wrong)
