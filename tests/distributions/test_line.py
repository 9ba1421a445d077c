"""Laws on the whole line that torch lacks, and divergences that no formula gives."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch.distributions import StudentT

from coursework.distributions.kl import kl
from coursework.distributions.logistic import Logistic, mean_softplus
from coursework.distributions.student import StudentT3


@pytest.mark.parametrize("shift", [0.0, 0.7, 12.0])
@pytest.mark.parametrize("ratio", [1e-3, 0.2, 1.0, 4.0, 100.0])
def test_mean_softplus_against_quadrature(shift, ratio):
    def integrand(y):
        return np.exp(-abs(y)) / (1 + np.exp(-abs(y))) ** 2 * np.logaddexp(0, -(shift + ratio * y))

    cut = float(np.clip(-shift / ratio, -40, 40))
    edges = np.unique([-60, -20, -5, 0, 5, 20, 60, cut, np.clip(cut - 1, -60, 60), np.clip(cut + 1, -60, 60)])
    exact = sum(integrate.quad(integrand, *pair, epsabs=1e-13)[0] for pair in itertools.pairwise(edges))
    found = mean_softplus(torch.tensor(shift).double(), torch.tensor(ratio).double()).item()
    assert found == pytest.approx(exact, abs=2e-8 * max(1, ratio))


def test_equal_scales_have_a_closed_form():
    """m·coth(m/2) − 2, the one case in which a formula is known."""
    m = torch.tensor([0.3, 1.0, 5.0, 40.0], dtype=torch.float64)
    one = torch.ones_like(m)
    for sign in (1, -1):
        found = kl(Logistic(sign * m, one), Logistic(0 * m, one))
        torch.testing.assert_close(found, m / torch.tanh(m / 2) - 2, rtol=0, atol=4e-8)


def test_logistic_divergence_in_single_precision_is_never_far_below_zero():
    scale = torch.logspace(-3, 1, 400)
    found = kl(Logistic(torch.zeros(400), scale), Logistic(torch.zeros(400), torch.ones(400)))
    assert (found > -2e-6).all()
    assert found[0] > found[200] > found[299]


def test_logistic_draws_stay_finite_and_as_wide_as_they_should_be():
    law = Logistic(torch.tensor(1.0), torch.tensor(2.0))
    draws = law.rsample((400_000,))
    assert draws.isfinite().all()
    assert draws.std().item() == pytest.approx(2 * math.pi / math.sqrt(3), rel=0.01)
    assert law.stddev.item() == pytest.approx(2 * math.pi / math.sqrt(3))


def test_three_degrees_of_freedom_are_torch_s_t_law():
    loc, scale, z = torch.randn(3, 50, dtype=torch.float64)
    scale = scale.exp()
    torch.testing.assert_close(StudentT3(loc, scale).log_prob(z), StudentT(3.0, loc, scale).log_prob(z))
    torch.testing.assert_close(StudentT3(loc, scale).variance, 3 * scale.square())


def test_another_number_of_degrees_has_no_formula_here():
    law = StudentT(torch.tensor([4.0]), torch.tensor([0.0]), torch.tensor([1.0]))
    with pytest.raises(NotImplementedError):
        kl(law, law)
