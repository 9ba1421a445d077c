"""Every registered family against scipy, quadrature, Monte Carlo and finite differences.

A family is tested by being registered; all that is written here for it is the scipy law of one coordinate of its
posterior and of its prior, which nothing of ours computes.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.distributions import Independent, StudentT

from coursework.distributions.families import FAMILIES
from coursework.distributions.kl import kl, kl_estimate
from coursework.errors import ConfigError


class PowerOfBeta:
    """X where X^a follows Beta(1, b), with b found from the median by scipy alone: Kumaraswamy's law."""

    def __init__(self, median, shape):
        self.a = shape
        self.beta = stats.beta(1, math.log(0.5) / math.log1p(-(median**shape)))

    def logpdf(self, x):
        return self.beta.logpdf(x**self.a) + math.log(self.a) + (self.a - 1) * np.log(x)

    def cdf(self, x):
        return self.beta.cdf(x**self.a)

    def ppf(self, u):
        return self.beta.ppf(u) ** (1 / self.a)


def located(law):
    return lambda base: law(loc=base.loc.item(), scale=base.scale.item())


POSTERIOR = {
    "normal": located(stats.norm),
    "laplace": located(stats.laplace),
    "logistic": located(stats.logistic),
    "gumbel": located(stats.gumbel_r),
    "student": lambda base: stats.t(3, base.loc.item(), base.scale.item()),
    "uniform": lambda base: stats.uniform(base.low.item(), (base.high - base.low).item()),
    "kumaraswamy": lambda base: PowerOfBeta(base.median.item(), base.shape.item()),
}
PRIOR = {
    "delta": stats.norm(),
    "normal": stats.norm(),
    "laplace": stats.laplace(),
    "logistic": stats.logistic(),
    "gumbel": stats.gumbel_r(),
    "student": stats.t(3),
    "uniform": stats.uniform(-1, 2),
    "kumaraswamy": stats.uniform(0, 1),
}
SPHERICAL = ["von-mises-fisher"]
"""Families whose coordinates depend on one another; their densities are in tests/distributions."""
COORDINATEWISE = [name for name in FAMILIES if name not in SPHERICAL]
DENSE = [name for name in COORDINATEWISE if name != "delta"]
AS_PRIOR = {"delta": None, "uniform": (0.5, 1.0), "kumaraswamy": (0.5, 1.0), "von-mises-fisher": None}
"""Parameters at which the posterior is the prior; (0, 1) for all others, None where there are none."""
EXTREMES = (-50.0, 0.0, 50.0)


def random_law(name, seed, latent_dim=1):
    """A law in double precision, its parameters all over their ranges."""
    family = FAMILIES[name]
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(family.num_parameters, latent_dim, dtype=torch.float64, generator=generator)
    return family(torch.tensor(family.standard, dtype=torch.float64)[:, None] + raw * (1 + seed % 2))


def prior_of(name, latent_dim=1):
    return FAMILIES[name].prior(latent_dim, dtype=torch.float64)


def divergence_by_quadrature(q, p):
    """The mean of log q − log p over the quantiles of q, from scipy's laws alone; cut where either has a kink."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    small = 10.0 ** np.arange(-15, 0, 1.5)
    edges = np.unique([0, *small, 0.5, *(1 - small), 1, np.clip(q.cdf(0.0), 0, 1)])
    width = np.diff(edges)[:, None] / 2
    x = q.ppf(np.clip(edges[:-1, None] + width * (nodes + 1), 1e-300, 1 - 1e-16))
    return float((width * weights * (q.logpdf(x) - p.logpdf(x))).sum())


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("seed", range(4))
def test_density_agrees_with_scipy_and_integrates_to_one(name, seed):
    law = random_law(name, seed)
    reference = POSTERIOR[name](law.base_dist)
    points = reference.ppf(np.array([1e-4, 0.1, 0.5, 0.9, 0.999]))
    ours = law.log_prob(torch.from_numpy(points)[:, None])
    np.testing.assert_allclose(ours, reference.logpdf(points), rtol=1e-8, atol=1e-8)
    edges = reference.ppf(np.array([1e-9, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-9]))

    def density(x):
        return law.log_prob(torch.tensor([x], dtype=torch.float64)).exp().item()

    total = math.fsum(integrate.quad(density, low, high)[0] for low, high in itertools.pairwise(edges))
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("seed", range(4))
def test_draws_follow_the_density(name, seed):
    law = random_law(name, seed)
    torch.manual_seed(seed)
    draws = law.rsample((5000,)).flatten().numpy()
    assert stats.kstest(draws, POSTERIOR[name](law.base_dist).cdf).pvalue > 1e-3 / len(DENSE) / 4


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("function", [lambda z: z, torch.square, torch.cos], ids=["z", "z²", "cos z"])
def test_gradient_of_a_draw_against_finite_differences(name, function):
    """The same noise with a raw parameter moved a little: the slope is the pathwise gradient."""
    family = FAMILIES[name]
    raw = torch.tensor(family.standard, dtype=torch.float64)[:, None] + torch.randn(family.num_parameters, 3).double()

    def value(parameters):
        torch.manual_seed(11)
        return function(family(parameters).rsample((20,))).sum()

    assert torch.autograd.gradcheck(value, raw.requires_grad_(), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_gradient_of_the_divergence_against_finite_differences(name):
    family = FAMILIES[name]
    raw = torch.tensor(family.standard, dtype=torch.float64)[:, None] + torch.randn(family.num_parameters, 3).double()
    prior = prior_of(name, 3)
    assert torch.autograd.gradcheck(lambda parameters: kl(family(parameters), prior), raw.requires_grad_(), atol=1e-6)


@pytest.mark.parametrize("name", COORDINATEWISE)
def test_what_is_sampled_is_the_prior_that_the_divergence_names(name):
    """One scipy law stands for the prior: draws follow it, `log_prob` is its, and the next test's KL is against it."""
    prior = FAMILIES[name].prior(2)
    draws = prior.sample((4000,))
    assert draws.shape == (4000, 2)
    for column in draws.T.numpy():
        assert stats.kstest(column, PRIOR[name].cdf).pvalue > 1e-3 / len(FAMILIES)
    assert abs(np.corrcoef(draws.argsort(0).argsort(0).T)[0, 1]) < 5 / math.sqrt(4000)
    points = PRIOR[name].ppf(np.array([0.02, 0.4, 0.9]))
    expected = PRIOR[name].logpdf(points) + PRIOR[name].logpdf(points[::-1])
    ours = prior_of(name, 2).log_prob(torch.from_numpy(np.stack([points, points[::-1]], 1)))
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    np.testing.assert_allclose(prior.mean.numpy(), PRIOR[name].mean(), atol=1e-6)
    np.testing.assert_allclose(prior.stddev.numpy(), PRIOR[name].std(), rtol=1e-6)


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("seed", range(4))
def test_divergence_against_quadrature(name, seed):
    q = random_law(name, seed)
    exact = divergence_by_quadrature(POSTERIOR[name](q.base_dist), PRIOR[name])
    assert kl(q, prior_of(name)).item() == pytest.approx(exact, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "delta"])
def test_divergence_against_sampling(name):
    q, p = random_law(name, 2, latent_dim=5), prior_of(name, 5)
    estimate = kl_estimate(q, p, 20_000)
    assert estimate.mean.item() == pytest.approx(kl(q, p).item(), abs=5 * estimate.standard_error.item() + 1e-9)


@pytest.mark.parametrize("name", ["laplace", "uniform", "gumbel", "student", "logistic", "normal"])
def test_a_reversed_divergence_would_be_seen(name):
    """The control of the oracle: with its arguments exchanged, the divergence is another number."""
    q = random_law(name, 1)
    exact = divergence_by_quadrature(POSTERIOR[name](q.base_dist), PRIOR[name])
    reverse = kl(prior_of(name), q).item()
    assert abs(reverse - exact) > 0.01
    if name == "uniform":
        assert math.isinf(reverse)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_divergence_where_the_posterior_is_the_prior(name):
    values = AS_PRIOR.get(name, (0.0, 1.0))
    if values is not None:
        raw = torch.tensor(FAMILIES[name].raw(*values), dtype=torch.float64)
        q = FAMILIES[name](raw[:, None].expand(-1, 4))
        assert kl(q, prior_of(name, 4)).item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("latent_dim", [2, 128])
def test_extreme_raw_numbers_stay_legal(name, latent_dim):
    """Draws, densities, divergences and all gradients stay finite in single precision."""
    family = FAMILIES[name]
    for rows in itertools.product(EXTREMES, repeat=family.num_parameters):
        raw = torch.tensor(rows)[:, None].expand(-1, latent_dim).clone().requires_grad_()
        law = family(raw)
        z = law.rsample((20,))
        terms = {"draw": z, "log density": law.log_prob(z), "divergence": kl(law, family.prior(latent_dim))}
        for term, value in terms.items():
            assert value.isfinite().all(), (term, rows)
            if value.requires_grad:  # the density of a point does not depend on it
                assert torch.autograd.grad(value.sum(), raw, retain_graph=True)[0].isfinite().all(), (term, rows)


@pytest.mark.parametrize("name", FAMILIES)
def test_posteriors_live_where_the_prior_does(name):
    family, prior = FAMILIES[name], FAMILIES[name].prior(3)
    law = family((20 * torch.randn(5000, family.num_parameters, 3)).clamp(min(EXTREMES), max(EXTREMES)))
    for z in (law.rsample(), family.location(law), family.nearest(torch.randn(50, 3)), prior.sample((50,))):
        assert prior.support.check(z).all()
    assert prior.log_prob(family(torch.randn(500, family.num_parameters, 3)).rsample()).isfinite().all()
    assert kl(law, prior).isfinite().all()
    assert (kl(law, prior) > -1e-5).all() or name == "delta"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_table_starts_narrow_and_in_the_middle(name):
    family, prior = FAMILIES[name], FAMILIES[name].prior(6)
    law = family(torch.tensor(family.standard)[:, None] + torch.zeros(6))
    draws = law.rsample((4000,))
    np.testing.assert_allclose(law.stddev.numpy(), draws.std(0).numpy(), rtol=0.25, atol=1e-3)
    if name != "delta":
        assert 0.05 < (law.variance.sum() / prior.variance.sum()).sqrt() < 0.2
    if name not in SPHERICAL:
        assert (family.location(law) - prior.mean).abs().max() < prior.stddev.min()
        np.testing.assert_allclose(law.mean.numpy(), draws.mean(0).numpy(), atol=5 * draws.std(0).max().item() / 60)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_vector_of_a_batch_has_its_own_law(name):
    family = FAMILIES[name]
    raw = torch.randn(4, family.num_parameters, 5, dtype=torch.float64)
    law, prior = family(raw), prior_of(name, 5)
    assert law.batch_shape == (4,)
    assert law.event_shape == (5,)
    z = law.rsample((3,))
    assert z.shape == (3, 4, 5)
    if name != "delta":
        alone = torch.stack([family(raw[i]).log_prob(z[:, i]) for i in range(4)], 1)
        torch.testing.assert_close(law.log_prob(z), alone)
        wide = law.expand((2, 4))
        torch.testing.assert_close(wide.log_prob(z[0]), law.log_prob(z[0]).expand(2, 4))
    torch.testing.assert_close(kl(law, prior), torch.stack([kl(family(row), prior) for row in raw]))


def test_a_point_costs_minus_its_log_density():
    family = FAMILIES["delta"]
    z = torch.randn(4, 1, 3)
    expected = -torch.from_numpy(stats.norm.logpdf(z[:, 0].numpy()).sum(1))
    torch.testing.assert_close(kl(family(z), family.prior(3)), expected, check_dtype=False)
    point = family(z)
    assert torch.equal(point.rsample((2,))[1], z[:, 0])
    assert torch.equal(point.log_prob(z[:, 0]), torch.zeros(4))
    assert torch.isinf(point.log_prob(z[:, 0] + 1)).all()


def test_an_unregistered_pair_raises_instead_of_sampling():
    q = FAMILIES["normal"](torch.zeros(2, 3))
    p = Independent(StudentT(torch.full((3,), 4.0)), 1)
    with pytest.raises(NotImplementedError):
        kl(q, p)
    assert kl(q, p, num_samples=50).item() > -1
    with pytest.raises(ValueError, match="num_samples = 0"):
        kl(q, p, num_samples=0)
    with pytest.raises(ValueError, match="num_samples = 1"):
        kl_estimate(q, p, 1)


def test_the_standard_error_is_the_spread_of_the_estimate():
    q, p = random_law("laplace", 3, 2), prior_of("laplace", 2)
    estimates = [kl_estimate(q, p, 50) for _ in range(400)]
    spread = torch.stack([estimate.mean for estimate in estimates]).std().item()
    stated = torch.stack([estimate.standard_error for estimate in estimates]).square().mean().sqrt().item()
    assert stated == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("name", FAMILIES)
def test_raw_rows_of_the_wrong_height_are_named(name):
    family = FAMILIES[name]
    with pytest.raises(ValueError, match=f"family {name} takes {family.num_parameters}"):
        family(torch.zeros(family.num_parameters + 1, 3))


@pytest.mark.parametrize("name", FAMILIES)
def test_too_few_latent_dimensions_are_named(name):
    family = FAMILIES[name]
    dim = family.smallest - 1
    with pytest.raises(ConfigError, match=f"latent_dim = {dim}: family {name} needs"):
        family.prior(dim)
    with pytest.raises(ConfigError, match="Raise it"):
        family(torch.zeros(family.num_parameters, dim))


def test_parameters_outside_their_constraint_are_named():
    with pytest.raises(ConfigError, match=r"scale = 20.0 is outside"):
        FAMILIES["normal"].raw(0.0, 20.0)
    assert FAMILIES["normal"].raw(0.7, 0.1)[0] == pytest.approx(0.7)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "von-mises-fisher"])
def test_raw_rows_of_parameters_give_these_parameters(name):
    family = FAMILIES[name]
    law = family(torch.tensor(family.raw(*family.start), dtype=torch.float64)[:, None])
    if name == "uniform":
        found = ((law.base_dist.low + 1) / 2 / (1 - family.start[1]), (law.base_dist.high - law.base_dist.low) / 2)
    else:
        found = tuple(getattr(law.base_dist, parameter) for parameter in family.parameters)
    assert [value.item() for value in found] == pytest.approx(list(family.start), abs=1e-6)
