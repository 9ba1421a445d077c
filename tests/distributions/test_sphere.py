"""The law on the sphere against scipy, many-digit Bessel functions and finite differences of its quantiles."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate, stats

from coursework.distributions.angle import log_normaliser, mean_cosine_minus_one, quantile
from coursework.distributions.kl import kl
from coursework.distributions.sphere import SphereUniform, VonMisesFisher, onto_sphere


def law(dim, concentration, seed=0):
    loc = onto_sphere(torch.randn(dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))
    return VonMisesFisher(loc, torch.tensor(concentration, dtype=torch.float64))


@pytest.mark.parametrize("dim", [2, 3, 7, 128])
@pytest.mark.parametrize("concentration", [0.3, 20.0, 5e4])
def test_density_agrees_with_scipy(dim, concentration):
    q = law(dim, concentration)
    reference = stats.vonmises_fisher(q.loc.numpy(), concentration)
    points = np.concatenate([reference.rvs(5, random_state=1), onto_sphere(torch.randn(5, dim).double()).numpy()])
    np.testing.assert_allclose(q.log_prob(torch.from_numpy(points)), reference.logpdf(points), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dim", [2, 3, 8, 128])
@pytest.mark.parametrize("concentration", [0.5, 40.0, 2000.0])
def test_density_integrates_to_one(dim, concentration):
    """Over the angle to the direction, times the area of what lies at that angle."""
    q = law(dim, concentration)
    across = onto_sphere(torch.eye(dim, dtype=torch.float64)[0] - q.loc[0] * q.loc)
    area = 2 * math.pi ** ((dim - 1) / 2) / math.gamma((dim - 1) / 2)

    def ring(angle):
        z = math.cos(angle) * q.loc + math.sin(angle) * across
        return q.log_prob(z).exp().item() * area * math.sin(angle) ** (dim - 2)

    edges = np.linspace(0, math.pi, 13)
    total = sum(integrate.quad(ring, low, high)[0] for low, high in itertools.pairwise(edges))
    assert total == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize(("dim", "concentration"), [(128, 1e-3), (128, 12800.0), (784, 1.0), (784, 7.84e6), (2, 1e6)])
def test_normaliser_and_mean_against_bessel_functions(dim, concentration):
    with mpmath.workdps(60):
        order, k = mpmath.mpf(dim) / 2 - 1, mpmath.mpf(concentration)
        log_z = mpmath.log(mpmath.sqrt(mpmath.pi) * mpmath.gamma(order + 0.5) * (2 / k) ** order)
        log_z += mpmath.log(mpmath.besseli(order, k)) - k
        mean = mpmath.besseli(order + 1, k) / mpmath.besseli(order, k) - 1
        log_z0 = mpmath.log(mpmath.sqrt(mpmath.pi) * mpmath.gamma(order + 0.5) / mpmath.gamma(order + 1))
        divergence = k * mean - log_z + log_z0
        expected = [float(value) for value in (log_z, mean, divergence)]
    q = law(dim, concentration)
    k = q.concentration
    found = [log_normaliser(k, dim), mean_cosine_minus_one(k, dim), kl(q, SphereUniform(q.loc))]
    assert [value.item() for value in found] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("dim", [2, 3, 128])
@pytest.mark.parametrize("concentration", [0.1, 30.0, 1e4])
def test_quantiles_invert_the_distribution_and_move_with_it(dim, concentration):
    u = torch.tensor([1e-5, 0.03, 0.5, 0.9, 1 - 1e-5], dtype=torch.float64)
    k = torch.full_like(u, concentration).requires_grad_()
    angles = quantile(u, k, dim)
    (slope,) = torch.autograd.grad(angles.sum(), k)

    def log_density(angle):
        return concentration * (math.cos(angle) - 1) + (dim - 2) * math.log(math.sin(angle))

    top = max(log_density(angle) for angle in angles.tolist())

    def weight(low, high):
        return integrate.quad(lambda v: math.exp(log_density(v) - top), low, high, limit=200, epsabs=0)[0]

    cuts = [1e-300, *angles.tolist(), math.pi - 1e-15]
    if concentration > 1000:
        cuts[-1] = 0.5  # beyond, nothing; and quadrature finds a narrow peak only on a short piece
    below = np.cumsum([weight(low, high) for low, high in itertools.pairwise(cuts)])
    np.testing.assert_allclose(below[:-1] / below[-1], u, atol=1e-9)
    step = 1e-3 * concentration
    with torch.no_grad():
        moved = (quantile(u, k + step, dim) - quantile(u, k - step, dim)) / (2 * step)
    torch.testing.assert_close(slope, moved, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("dim", "concentration"), [(2, 2.0), (3, 5.0), (128, 300.0)])
def test_draws_have_the_law_s_angles_and_no_side(dim, concentration):
    q = law(dim, concentration)
    z = q.rsample((6000,))
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(6000, dtype=torch.float64))
    cosine = z @ q.loc
    reference = stats.vonmises_fisher(q.loc.numpy(), concentration).rvs(6000, random_state=3) @ q.loc.numpy()
    assert stats.ks_2samp(cosine.numpy(), reference).pvalue > 1e-3
    across = onto_sphere(z - cosine[:, None] * q.loc)
    side = onto_sphere(torch.eye(dim, dtype=torch.float64)[0] - q.loc[0] * q.loc)
    if dim == 2:
        assert abs((across @ side).sign().mean()) < 5 / math.sqrt(6000)
    else:
        half = (dim - 2) / 2
        assert stats.kstest(((across @ side) / 2 + 0.5).numpy(), stats.beta(half, half).cdf).pvalue > 1e-3
    torch.testing.assert_close(z.mean(0), q.mean, atol=5 / math.sqrt(6000), rtol=0)
    torch.testing.assert_close(z.var(0), q.variance, rtol=0.15, atol=1e-3)


def test_gradient_of_a_mean_is_the_derivative_of_the_mean():
    """Averaged over draws, the pathwise gradient of cos θ is A'(κ): nothing is missing, as after a rejection."""
    dim, concentration = 16, 12.0
    k = torch.full((40_000,), concentration, dtype=torch.float64, requires_grad=True)
    loc = torch.zeros(dim, dtype=torch.float64)
    loc[0] = 1
    z = VonMisesFisher(loc.expand(40_000, dim), k).rsample()
    (slopes,) = torch.autograd.grad(z[:, 0].sum(), k)
    mean = mean_cosine_minus_one(torch.tensor([concentration - 1e-4, concentration + 1e-4]).double(), dim)
    expected = (mean[1] - mean[0]).item() / 2e-4
    assert slopes.mean().item() == pytest.approx(expected, abs=5 * slopes.std().item() / 200)
    assert abs(expected) > 50 * slopes.std().item() / 200


def test_the_prior_is_uniform_on_the_sphere():
    prior = SphereUniform(torch.zeros(9))
    z = prior.sample((5000,))
    assert prior.support.check(z).all()
    for axis in (z[:, 0], z @ onto_sphere(torch.ones(9))):
        assert stats.kstest((axis / 2 + 0.5).numpy(), stats.beta(4, 4).cdf).pvalue > 1e-3
    np.testing.assert_allclose(prior.log_prob(z), -math.log(32 * math.pi**4 / 105), rtol=1e-6)
    assert prior.stddev[0].item() == pytest.approx(1 / 3)


def test_a_wide_law_is_the_prior():
    q = law(5, 1e-7)
    assert kl(q, SphereUniform(q.loc)).item() == pytest.approx(0, abs=1e-12)


def test_the_zero_vector_has_a_direction_and_a_finite_gradient():
    z = torch.zeros(2, 4, requires_grad=True)
    onto_sphere(z)[:, 1].sum().backward()
    assert z.grad.isfinite().all()
    assert torch.equal(onto_sphere(torch.zeros(3)), torch.tensor([1.0, 0.0, 0.0]))
