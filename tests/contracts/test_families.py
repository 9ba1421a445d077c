"""Every registered family against scipy, quadrature, Monte Carlo and finite differences."""

import math

import pytest
import torch
from scipy import integrate, stats
from torch.distributions import Independent, Normal

from coursework.distributions.families import FAMILIES
from coursework.distributions.kl import kl

SCIPY = {"normal": lambda law: stats.norm(law.base_dist.loc.item(), law.base_dist.scale.item())}
DENSE = [name for name in FAMILIES if name != "delta"]


def random_law(name, generator):
    """One law over one coordinate, in float64, and its raw parameters."""
    family = FAMILIES[name]
    raw = torch.randn(family.num_parameters, 1, dtype=torch.float64, generator=generator)
    return family(raw), raw


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("seed", range(5))
def test_density_agrees_with_scipy_and_integrates_to_one(name, seed):
    law, _ = random_law(name, torch.Generator().manual_seed(seed))
    reference = SCIPY[name](law)
    for point in reference.ppf([0.001, 0.1, 0.5, 0.9, 0.999]):
        ours = law.log_prob(torch.tensor([point], dtype=torch.float64)).item()
        assert ours == pytest.approx(reference.logpdf(point), rel=1e-9, abs=1e-9)
    low, high = reference.ppf(1e-12), reference.ppf(1 - 1e-12)
    total, _ = integrate.quad(lambda t: law.log_prob(torch.tensor([t], dtype=torch.float64)).exp().item(), low, high)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("seed", range(5))
def test_draws_follow_the_density(name, seed):
    law, _ = random_law(name, torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    draws = law.rsample((5000,)).flatten().numpy()
    assert stats.kstest(draws, SCIPY[name](law).cdf).pvalue > 1e-3 / len(DENSE) / 5


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("function", [lambda z: z, torch.square, torch.cos], ids=["z", "z²", "cos z"])
def test_gradient_of_a_draw_against_finite_differences(name, function):
    """The same noise with a raw parameter moved a little: the slope is the pathwise gradient."""
    family = FAMILIES[name]
    raw = torch.randn(family.num_parameters, 3, dtype=torch.float64)

    def value(parameters):
        torch.manual_seed(11)
        return function(family(parameters).rsample((20,))).sum()

    assert torch.autograd.gradcheck(value, raw.requires_grad_(), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_from_the_prior_follow_its_density(name):
    prior = FAMILIES[name].prior(2)
    draws = prior.sample((4000,))
    assert draws.shape == (4000, 2)
    reference = stats.norm(0, 1)  # every prior so far is standard normal
    assert stats.kstest(draws.flatten().numpy(), reference.cdf).pvalue > 1e-3
    point = torch.tensor([0.3, -1.2])
    assert prior.log_prob(point).item() == pytest.approx(reference.logpdf(point.numpy()).sum(), rel=1e-5)


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("seed", range(5))
def test_closed_divergence_against_quadrature_and_sampling(name, seed):
    q, _ = random_law(name, torch.Generator().manual_seed(seed))
    p = Independent(Normal(torch.zeros(1).double(), torch.ones(1).double()), 1)
    closed = kl(q, p).item()
    reference, prior = SCIPY[name](q), stats.norm(0, 1)
    exact, _ = integrate.quad(
        lambda t: reference.pdf(t) * (reference.logpdf(t) - prior.logpdf(t)),
        reference.ppf(1e-13),
        reference.ppf(1 - 1e-13),
    )
    assert closed == pytest.approx(exact, rel=1e-6, abs=1e-8)
    torch.manual_seed(seed)
    estimates = torch.stack([kl(q, p, num_samples=100) for _ in range(200)])
    assert abs(estimates.mean().item() - closed) < 5 * estimates.std().item() / math.sqrt(200) + 1e-9
    assert kl(q, q).item() == pytest.approx(0, abs=1e-10)


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
    p = Independent(torch.distributions.StudentT(torch.full((3,), 4.0)), 1)
    with pytest.raises(NotImplementedError):
        kl(q, p)
    assert kl(q, p, num_samples=50).item() > -1
    with pytest.raises(ValueError, match="num_samples = 0"):
        kl(q, p, num_samples=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_raw_rows_of_the_wrong_height_are_named(name):
    family = FAMILIES[name]
    with pytest.raises(ValueError, match=f"family {name} takes {family.num_parameters}"):
        family(torch.zeros(family.num_parameters + 1, 3))


@pytest.mark.parametrize("name", FAMILIES)
def test_extreme_raw_numbers_stay_legal(name):
    """The constraint map keeps positive parameters positive over the range an optimiser visits."""
    family = FAMILIES[name]
    for value in (-30.0, 30.0):
        law = family(torch.full((family.num_parameters, 2), value)).base_dist
        for parameter, constraint in law.arg_constraints.items():
            assert constraint.check(getattr(law, parameter)).all(), (parameter, value)
