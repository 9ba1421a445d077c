"""Question D8: divergences against independent computations, and the slip refuted."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from coursework.derivations import SLIPS
from coursework.derivations.adversarial import gan_value, generator_slope
from coursework.derivations.adversarial_evidence import predicted_gap
from coursework.derivations.transport import assignment_cost, gaussian_js, gaussian_kl, gaussian_w1, lines_distance


def test_the_value_of_equal_and_of_disjoint_laws():
    law = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    assert gan_value(law, law).item() == pytest.approx(-math.log(4))
    apart = gan_value(torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double())
    assert apart.item() == pytest.approx(0, abs=1e-12)


def test_a_trained_table_of_logits_reaches_the_value():
    p, q = torch.tensor([0.7, 0.2, 0.1]).double(), torch.tensor([0.1, 0.3, 0.6]).double()
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def loss():
        optimizer.zero_grad()
        value = -(p * torch.nn.functional.logsigmoid(logits) + q * torch.nn.functional.logsigmoid(-logits)).sum()
        value.backward()
        return value

    optimizer.step(loss)
    assert -loss().item() == pytest.approx(gan_value(p, q).item(), abs=1e-6)
    torch.testing.assert_close(logits.detach().sigmoid(), p / (p + q), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shift", [0.0, 0.7, 3.0, 8.0])
def test_js_of_gaussians_by_adaptive_quadrature(shift):
    first, second = scipy.stats.norm(0, 1.3), scipy.stats.norm(shift, 1.3)

    def integrand(x):
        middle = (first.pdf(x) + second.pdf(x)) / 2
        return sum(law.pdf(x) * np.log(law.pdf(x) / middle) for law in (first, second)) / 2

    expected = scipy.integrate.quad(integrand, -15, shift + 15, limit=500, points=[0, shift])[0]
    assert gaussian_js(shift, 1.3) == pytest.approx(expected, abs=1e-7)
    assert gaussian_js(shift, 1.3) <= math.log(2)
    assert gaussian_kl(shift, 1.3) == pytest.approx(shift**2 / (2 * 1.3**2))


def test_w1_of_gaussian_samples():
    rng = np.random.default_rng(0)
    draws = rng.normal(0, 0.5, 40_000), rng.normal(1.7, 0.5, 40_000)
    expected = scipy.stats.wasserstein_distance(*draws)
    assert gaussian_w1(torch.tensor(1.7), torch.tensor(0.5)).item() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("theta", [-2.0, -0.01, 0.3, 5.0])
def test_lines_by_assignment_on_both_sides(theta):
    assert assignment_cost(torch.tensor(theta)) == pytest.approx(lines_distance(torch.tensor(theta)).item(), rel=1e-6)


def test_slopes_at_an_obvious_fake():
    found_out = torch.tensor(-30.0, dtype=torch.float64)
    assert abs(generator_slope(found_out, saturating=True).item()) < 1e-12
    assert generator_slope(found_out, saturating=False).item() == pytest.approx(-1)


def test_the_penalised_gap_is_the_best_of_all_slopes():
    slopes = np.linspace(0, 3, 300_001)
    for theta in (0.5, 8.0):
        best = slopes[np.argmax(slopes * theta - 10 * (slopes - 1) ** 2)]
        assert predicted_gap(np.array([theta]), 10.0)[0] == pytest.approx(best * theta, rel=1e-4)


def test_the_obvious_fake_slip_is_refuted():
    found = SLIPS["gan-obvious-fake"].check()
    assert found.passed
    assert float(found.wrong.witness.left) < 1e-20
