"""Closed forms of auto-encoders against computations that share nothing with them; and wrong forms, refuted."""

import numpy as np
import pytest
import scipy.stats
import sympy as sp
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from coursework.conditionals import BernoulliDecoder, GaussianDecoder
from coursework.derivations import DERIVATIONS
from coursework.derivations.auto_encoder import vae_loss
from coursework.derivations.equality import Status, compare
from coursework.derivations.kl_multivariate import kl_two_by_quadrature, kl_two_coordinates
from coursework.derivations.linear_gaussian import linear_gaussian_bound, linear_gaussian_evidence
from coursework.objectives.elbo import elbo


def test_the_multivariate_formula_in_four_dimensions_against_samples():
    """Written for two coordinates, said to hold for any number."""
    generator = torch.Generator().manual_seed(1)
    roots = [torch.randn(4, 4, generator=generator, dtype=torch.float64).tril(-1) + torch.eye(4) for _ in range(2)]
    gap = torch.randn(4, generator=generator, dtype=torch.float64)
    sigma_q, sigma_p = (root @ root.T for root in roots)
    inverse = sigma_p.inverse()
    formula = 0.5 * (
        torch.trace(inverse @ sigma_q) + gap @ inverse @ gap - 4 + torch.logdet(sigma_p) - torch.logdet(sigma_q)
    )
    draws = gap.numpy() + np.random.default_rng(2).standard_normal((200_000, 4)) @ roots[0].numpy().T
    q = scipy.stats.multivariate_normal(gap.numpy(), sigma_q.numpy())
    p = scipy.stats.multivariate_normal(np.zeros(4), sigma_p.numpy())
    terms = q.logpdf(draws) - p.logpdf(draws)
    assert abs(terms.mean() - formula.item()) < 4 * terms.std() / 200_000**0.5


def test_without_its_dimension_the_multivariate_formula_is_refuted():
    last = DERIVATIONS["kl-from-standard"].steps[-1].expression
    assert (
        compare(DERIVATIONS["kl-from-standard"].steps[-2].expression, last + sp.Rational(1, 2)).status is Status.REFUTED
    )


def test_direction_matters():
    numbers = [torch.tensor(v, dtype=torch.float64) for v in (0.3, -0.2, 0.5, 0.1, 0.7, 1.4, 0.3, 2.0)]
    there, back = kl_two_coordinates(*numbers), kl_two_coordinates(*numbers[:2], *numbers[5:], *numbers[2:5])
    assert abs(there - back) > 0.1
    assert kl_two_by_quadrature(*numbers) == pytest.approx(there.item())


def test_the_written_loss_is_the_objectives_mean():
    torch.manual_seed(0)
    net = torch.nn.Linear(2, 7).double()
    x = torch.bernoulli(torch.full((1, 7), 0.5, dtype=torch.float64))
    loc, scale = torch.randn(2).double(), torch.rand(2).double() + 0.2
    posterior = Independent(Normal(loc[None], scale[None]), 1)
    prior = Independent(Normal(torch.zeros(2).double(), torch.ones(2).double()), 1)
    torch.manual_seed(4)
    loss, _ = elbo(posterior, BernoulliDecoder(net), prior, x)
    torch.manual_seed(4)
    z = posterior.rsample()
    torch.testing.assert_close(vae_loss(net(z)[0], x[0], loc, scale), loss)


def test_the_exact_evidence_is_the_mean_likelihood_over_the_prior():
    weight = torch.tensor([[1.0, 0.3], [-0.4, 0.8], [0.2, 0.1]], dtype=torch.float64)
    x = torch.tensor([0.5, -0.7, 0.1], dtype=torch.float64)
    z = torch.randn(400_000, 2, dtype=torch.float64)
    likelihood = Independent(Normal(z @ weight.T, 0.6), 1).log_prob(x).exp()
    exact = linear_gaussian_evidence(x, weight, 0.6).exp()
    assert abs(likelihood.mean() - exact) < 4 * likelihood.std() / 400_000**0.5


def test_the_bound_of_one_coordinate_is_the_objectives_mean_and_its_gap_the_divergence():
    values = [torch.tensor(v, dtype=torch.float64) for v in (0.8, 1.3, 0.5, 0.2, 0.9)]
    x, slope, noise, m, width = values
    net = torch.nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        net.weight.fill_(slope)
    posterior = Independent(Normal(m.expand(50_000, 1), width), 1)
    prior = Independent(Normal(torch.zeros(1).double(), torch.ones(1).double()), 1)
    with torch.no_grad():
        terms = elbo(posterior, GaussianDecoder(net, noise.item()), prior, x.expand(50_000, 1))[1]["elbo"]
    bound = linear_gaussian_bound(*values)
    assert abs(terms.mean() - bound) < 4 * terms.std() / 50_000**0.5
    total = slope**2 + noise**2
    true = MultivariateNormal((slope * x / total)[None], (noise**2 / total)[None, None])
    gap = kl_divergence(MultivariateNormal(m[None], (width**2)[None, None]), true)
    torch.testing.assert_close(linear_gaussian_evidence(x[None], slope[None, None], noise) - bound, gap)
    assert gap > 0.1


@pytest.mark.parametrize(
    "key",
    [
        "kl-from-standard",
        "kl-multivariate",
        "kl-diagonal",
        "vae-loss",
        "linear-gaussian-gap",
        "prior-draws",
        "gaussian-to-any",
    ],
)
def test_they_stand(key):
    DERIVATIONS[key].check().require()
