"""Averages over prior draws: against loops, exact evidence and a derived growth."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from coursework.conditionals import BernoulliDecoder
from coursework.distributions.families import FAMILIES
from coursework.metrics.prior_sampling import (
    gaussian_prior_estimates,
    needed_draws,
    prior_estimates,
    running_log_means,
)


def test_the_logarithm_stands_outside_the_mean():
    weights = torch.tensor([[1.0, 2.0], [3.0, 2.0], [8.0, 2.0]], dtype=torch.float64)
    found = running_log_means(weights.log(), [1, 3])
    torch.testing.assert_close(found.exp(), torch.tensor([[1.0, 2.0], [4.0, 2.0]]).double())


def test_bernoulli_estimates_are_means_of_torchs_likelihoods():
    decoder = BernoulliDecoder(nn.Sequential(nn.Linear(2, 12), nn.Unflatten(1, (3, 4))))
    prior, x = FAMILIES["normal"].prior(2), torch.bernoulli(torch.full((5, 3, 4), 0.4))
    torch.manual_seed(2)
    found = prior_estimates(decoder, prior, x, [1, 10, 2500])
    torch.manual_seed(2)
    z = torch.cat([prior.sample((2000,)), prior.sample((500,))])
    with torch.no_grad():
        for row, n in zip(found, (1, 10, 2500), strict=True):
            by_hand = [decoder(z[:n]).log_prob(image.expand(n, 3, 4)).exp().mean().log() for image in x]
            torch.testing.assert_close(row.float(), torch.stack(by_hand), atol=1e-4, rtol=1e-4)


def test_gaussian_estimates_come_to_the_exact_evidence_from_below():
    x = 1.1 * torch.randn(200, 3, dtype=torch.float64)
    exact = MultivariateNormal(torch.zeros(3).double(), (1 + 0.6**2) * torch.eye(3).double()).log_prob(x)
    found = gaussian_prior_estimates(x, 0.6, [1, 30, 100_000])
    short = (exact - found).mean(1)
    assert short[0] > short[1] > abs(short[2])
    assert abs(short[2]) < 0.02


def test_one_draw_falls_short_by_the_closed_form():
    """log p(x) less the mean of log p(x|z) over the prior, with x of variance 1 + s²: d·(1/s² − ½·log(1 + 1/s²))."""
    s, d = 0.8, 4
    x = math.sqrt(1 + s**2) * torch.randn(40_000, d, dtype=torch.float64)
    exact = MultivariateNormal(torch.zeros(d).double(), (1 + s**2) * torch.eye(d).double()).log_prob(x)
    found = torch.cat([gaussian_prior_estimates(part, s, [1])[0] for part in x.split(20)])
    short = exact - found
    expected = d * (1 / s**2 - 0.5 * math.log(1 + 1 / s**2))
    assert abs(short.mean().item() - expected) < 5 * (short.std() / 2000**0.5).item()


@pytest.mark.parametrize(
    ("shortfalls", "expected"),
    [([0.5, 0.1, 0.0], 1.0), ([4.0, 2.0, 1.5], math.inf), ([0.5, 2.0, 0.5], 10**1.5), ([9.0, 4.0, 0.25], 10**1.5)],
)
def test_needed_draws(shortfalls, expected):
    assert needed_draws(shortfalls, [1, 10, 100], 1.0) == pytest.approx(expected)


@pytest.mark.parametrize("numbers", [[], [0, 1], [5, 5]])
def test_numbers_must_rise(numbers):
    with pytest.raises(ValueError, match="numbers = "):
        gaussian_prior_estimates(torch.zeros(1, 1), 1.0, numbers)
