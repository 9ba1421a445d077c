"""Importance sampling on a linear-Gaussian model, whose evidence is known."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

from coursework.conditionals import GaussianDecoder
from coursework.metrics.likelihood import evidence
from coursework.metrics.proposals import PrecisionNormal, gauss_newton_proposal
from coursework.objectives.iwae import iwae


@pytest.fixture
def model():
    """z ~ N(0, I₂), x|z ~ N(W z + b, 0.5²) in five dimensions, W's columns not orthogonal; log p(x) of 40 draws."""
    net = nn.Linear(2, 5).double()
    scale = 0.5
    with torch.no_grad():
        x = net(torch.randn(40, 2).double()) + scale * torch.randn(40, 5).double()
        covariance = net.weight @ net.weight.T + scale**2 * torch.eye(5).double()
        exact = MultivariateNormal(net.bias, covariance).log_prob(x)
        precision = torch.eye(2).double() + net.weight.T @ net.weight / scale**2
        loc = torch.linalg.solve(precision, net.weight.T @ (x - net.bias).T / scale**2).T
    prior = Independent(Normal(torch.zeros(2).double(), torch.ones(2).double()), 1)
    mean_field = Independent(Normal(loc, 1.2 * precision.diagonal().rsqrt().expand_as(loc)), 1)
    return GaussianDecoder(net, scale), mean_field, prior, x, exact, loc, precision


def test_the_estimate_lies_within_three_standard_errors_of_the_exact_evidence(model):
    decoder, q, prior, x, exact, _, _ = model
    found = evidence(q, decoder, prior, x, 20_000)
    z = (found.log_evidence - exact) / found.standard_error
    assert z.abs().mean() < 1.5
    assert (z.abs() < 3).double().mean() > 0.95
    total = (found.log_evidence - exact).sum() / found.standard_error.square().sum().sqrt()
    assert abs(total) < 3


def test_the_standard_error_is_the_spread_over_repetitions(model):
    decoder, q, prior, x, _, _, _ = model
    repeated = [evidence(q, decoder, prior, x[:1].expand(40, 5), 500) for q in [_row(q)] for _ in range(25)]
    estimates = torch.stack([found.log_evidence for found in repeated]).flatten()
    claimed = torch.stack([found.standard_error for found in repeated]).square().mean().sqrt()
    assert estimates.std() == pytest.approx(claimed.item(), rel=0.1)


def _row(q):
    return Independent(Normal(q.mean[:1].expand(40, 2), q.stddev[:1].expand(40, 2)), 1)


def test_the_true_posterior_gives_the_evidence_from_any_two_draws(model):
    decoder, _, prior, x, exact, loc, precision = model
    q = MultivariateNormal(loc, precision_matrix=precision)
    found = evidence(q, decoder, prior, x, 2)
    torch.testing.assert_close(found.log_evidence, exact)
    torch.testing.assert_close(found.elbo, exact)
    assert (found.standard_error < 1e-5).all()
    torch.testing.assert_close(found.effective_draws, torch.full((40,), 2.0).double())


def test_the_parts_of_the_bound_are_their_closed_forms(model):
    decoder, q, prior, x, _, _, _ = model
    found = evidence(q, decoder, prior, x, 20_000)
    closed = torch.distributions.kl_divergence(q, prior)
    torch.testing.assert_close(found.kl, closed, atol=0.06, rtol=0)
    with torch.no_grad():
        variance = (decoder.net.weight.square() @ q.variance.T).T
        squares = (x - decoder.net(q.mean)).square() + variance
    expected = (-0.5 * squares / 0.25 - math.log(0.5) - 0.5 * math.log(2 * math.pi)).sum(1)
    torch.testing.assert_close(found.log_likelihood, expected, atol=0.2, rtol=0)


def test_chunks_change_nothing_but_the_draws(model):
    decoder, q, prior, x, *_ = model
    whole, parts = (evidence(q, decoder, prior, x, 600, largest=n) for n in (10**6, 1))
    error = (whole.standard_error.square() + parts.standard_error.square()).sqrt()
    assert ((whole.log_evidence - parts.log_evidence).abs() < 5 * error).all()


def test_weights_far_beyond_the_range_of_floats_are_summed(model):
    """A likelihood of millions of nats, the same for all: nothing overflows, and the estimate moves by that much."""
    decoder, q, prior, x, _, _, _ = model

    class Shifted(nn.Module):
        def forward(self, z):
            law = decoder(z)
            law.log_prob = lambda value, inner=law.log_prob: inner(value) - 1e6
            return law

    torch.manual_seed(1)
    plain = evidence(q, decoder, prior, x, 50)
    torch.manual_seed(1)
    moved = evidence(q, Shifted(), prior, x, 50)
    torch.testing.assert_close(moved.log_evidence + 1e6, plain.log_evidence, atol=1e-5, rtol=0)
    torch.testing.assert_close(moved.standard_error, plain.standard_error)


def test_one_draw_is_refused(model):
    decoder, q, prior, x, *_ = model
    with pytest.raises(ValueError, match="num_draws = 1"):
        evidence(q, decoder, prior, x, 1)


def test_the_weighted_bound_rises_with_the_draws_and_stays_below_the_evidence(model):
    decoder, q, prior, x, exact, _, _ = model
    bounds = {}
    with torch.no_grad():
        for k in (1, 4, 32):
            draws = torch.stack([iwae(q, decoder, prior, x, num_samples=k)[1]["bound"] for _ in range(200)]).mean(1)
            bounds[k] = (draws.mean(), draws.std() / 200**0.5)
    for low, high in ((1, 4), (4, 32)):
        error = (bounds[low][1] ** 2 + bounds[high][1] ** 2).sqrt()
        assert bounds[high][0] - bounds[low][0] > 3 * error
    assert exact.mean() - bounds[32][0] > -3 * bounds[32][1]
    assert exact.mean() - bounds[1][0] > 10 * bounds[1][1]


def test_one_weighted_draw_is_the_evidence_lower_bound(model):
    from coursework.objectives.elbo import elbo

    decoder, q, prior, x, *_ = model
    repeated = torch.stack([iwae(q, decoder, prior, x, num_samples=1)[0] for _ in range(300)])
    closed = torch.stack([elbo(q, decoder, prior, x)[0] for _ in range(300)])
    error = (repeated.var() / 300 + closed.var() / 300).sqrt()
    assert abs(repeated.mean() - closed.mean()) < 5 * error
    with pytest.raises(ValueError, match="num_samples = 0"):
        iwae(q, decoder, prior, x, num_samples=0)


def test_the_linearised_posterior_of_a_linear_decoder_is_the_posterior(model):
    decoder, _, _, _, _, loc, precision = model
    proposal = gauss_newton_proposal(decoder, loc, width=1.0)
    exact = MultivariateNormal(loc, precision_matrix=precision)
    z = loc + torch.randn(7, 40, 2).double()
    torch.testing.assert_close(proposal.log_prob(z), exact.log_prob(z))
    draws = proposal.sample((20_000,))
    torch.testing.assert_close(draws.mean(0), loc, atol=0.03, rtol=0)
    centred = draws - loc
    covariance = torch.einsum("kbi,kbj->bij", centred, centred) / len(draws)
    torch.testing.assert_close(covariance, precision.inverse().expand(40, 2, 2), atol=0.02, rtol=0)


def test_width_spreads_the_proposal():
    loc, factor = torch.zeros(1, 3), torch.eye(3)[None]
    wide = PrecisionNormal(loc, factor / 2).sample((20_000,))
    assert wide.std() == pytest.approx(2.0, rel=0.02)
