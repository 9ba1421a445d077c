"""A prior fitted to posteriors whose mean is known."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from coursework.distributions.families import FAMILIES, standard_normal
from coursework.distributions.kl import kl
from coursework.errors import ConfigError
from coursework.models.learned_prior import mixture_prior, most_components, prior_gains


def test_one_component_has_the_moments_of_all_posteriors_together():
    loc, scale = 2 * torch.randn(2000, 3) + 1, torch.full((2000, 3), 0.5)
    found = mixture_prior(Independent(Normal(loc, scale), 1), 1, seed=0, num_draws=20, least_variance=0.0)
    torch.testing.assert_close(found.mean, loc.mean(0), atol=0.03, rtol=0)
    torch.testing.assert_close(found.variance, loc.var(0) + 0.25, atol=0, rtol=0.03)


def test_two_clouds_are_found_with_their_shares():
    loc = torch.tensor([[-4.0, 0.0]] * 300 + [[4.0, 1.0]] * 100)
    found = mixture_prior(Independent(Normal(loc, 0.7 * torch.ones_like(loc)), 1), 2, seed=0, num_draws=8)
    order = found.component_distribution.mean[:, 0].argsort()
    torch.testing.assert_close(found.mixture_distribution.probs[order], torch.tensor([0.75, 0.25]), atol=0.01, rtol=0)
    torch.testing.assert_close(
        found.component_distribution.mean[order], torch.tensor([[-4.0, 0.0], [4.0, 1.0]]), atol=0.08, rtol=0
    )
    torch.testing.assert_close(found.component_distribution.stddev, torch.full((2, 2), 0.7), atol=0.05, rtol=0)


def test_the_gain_is_the_difference_of_the_divergences():
    posterior = Independent(Normal(torch.randn(4000, 2), 0.3 * torch.ones(4000, 2)), 1)
    other = Independent(Normal(torch.tensor([0.5, -0.2]), torch.tensor([1.5, 0.8])), 1)
    expected = (kl(posterior, standard_normal(2)) - kl(posterior, other)).mean().item()
    assert prior_gains(posterior, other, standard_normal(2), seed=0).mean().item() == pytest.approx(expected, abs=0.02)


def test_on_the_posteriors_it_was_fitted_to_the_mixture_gains():
    posterior = FAMILIES["laplace"](torch.randn(200, 2, 3) - 1)
    found = mixture_prior(posterior, 5, seed=0)
    assert prior_gains(posterior, found, standard_normal(3), seed=1).mean() > 0
    assert math.isfinite(found.log_prob(torch.zeros(3)).item())


def test_draws_and_fit_repeat_and_leave_the_random_state_alone():
    posterior = Independent(Normal(torch.randn(50, 2), torch.ones(50, 2)), 1)
    torch.manual_seed(1)
    first = mixture_prior(posterior, 3, seed=5)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == after
    assert torch.equal(
        first.component_distribution.mean, mixture_prior(posterior, 3, seed=5).component_distribution.mean
    )


def test_the_largest_mixture_within_an_error_of_the_best_is_chosen():
    shape = torch.tensor([-1.0, 1.0]).repeat(50)  # standard error 0.1005
    assert most_components({1: shape, 10: shape + 2, 30: shape + 1.95, 100: shape + 1.85}) == 30
    assert most_components({1: shape + 9, 10: shape}) == 1


@pytest.mark.parametrize("name", ["uniform", "kumaraswamy", "von-mises-fisher"])
def test_posteriors_on_a_part_of_the_space_are_refused(name):
    family = FAMILIES[name]
    with pytest.raises(ConfigError, match="whole space"):
        mixture_prior(family(torch.zeros(9, family.num_parameters, 3)), 2, seed=0)


def test_more_components_than_draws_are_refused():
    with pytest.raises(ValueError, match="num_components = 9 with 4 draws"):
        mixture_prior(Independent(Normal(torch.zeros(1, 2), torch.ones(1, 2)), 1), 9, seed=0)
