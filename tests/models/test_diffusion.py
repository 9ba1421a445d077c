"""Schedules against their definitions and published values; the chain's laws against running it."""

import math

import numpy as np
import pytest
import torch

from coursework.models.diffusion import (
    alpha_bars,
    cosine_betas,
    linear_betas,
    posterior_mean,
    posterior_variance,
    prior_kl,
    q_sample,
)


def test_the_linear_schedule_of_the_paper():
    betas = linear_betas(1000)
    assert (betas[0].item(), betas[-1].item()) == (1e-4, 0.02)
    by_logs = sum(math.log1p(-1e-4 - (0.02 - 1e-4) * k / 999) for k in range(1000))
    assert alpha_bars(betas)[-1].item() == pytest.approx(math.exp(by_logs), rel=1e-12)
    assert alpha_bars(betas)[-1].item() == pytest.approx(4.04e-5, rel=1e-2)


def test_the_cosine_schedule_gives_back_its_cosine_until_it_is_capped():
    betas = cosine_betas(1000)
    steps = np.arange(1, 1000)
    squares = np.cos((steps / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    np.testing.assert_allclose(alpha_bars(betas)[:-1].numpy(), squares, rtol=1e-9)
    assert betas[-1].item() == 0.999
    assert bool((betas[:-1] < 0.999).all())


@pytest.mark.parametrize(
    "make", [lambda: linear_betas(0), lambda: linear_betas(5, 0.0), lambda: cosine_betas(5, largest=1.0)]
)
def test_impossible_schedules_are_refused(make):
    with pytest.raises(ValueError, match=r"in \(0, 1\)"):
        make()


def test_one_draw_has_the_law_of_many_steps():
    betas, x_0 = cosine_betas(40), 0.8
    x = torch.full((100_000,), x_0, dtype=torch.float64)
    for beta in betas[:25]:
        x = (1 - beta).sqrt() * x + beta.sqrt() * torch.randn_like(x)
    kept = alpha_bars(betas)[24]
    once = q_sample(torch.full_like(x, x_0), kept, torch.randn_like(x))
    spread = math.sqrt((1 - kept) / len(x))
    for sample in (x, once):
        assert sample.mean().item() == pytest.approx((kept.sqrt() * x_0).item(), abs=5 * spread)
        assert sample.var().item() == pytest.approx(1 - kept.item(), rel=5 * math.sqrt(2 / len(x)))


def test_the_first_step_has_a_posterior_without_spread():
    x_0, x_1, one = torch.randn(5).double(), torch.randn(5).double(), torch.ones(()).double()
    torch.testing.assert_close(posterior_mean(x_0, x_1, 0.9 * one, one), x_0)
    assert posterior_variance(0.9 * one, one).item() == 0


def test_the_posterior_maximises_the_product_of_densities():
    """By brute force on a grid: normalise q(x_t|x_{t−1}) q(x_{t−1}|x_0), and take its moments."""
    alpha, kept, x_0, x_t = 0.7, 0.4, -0.6, 1.1
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    log_mass = -((x_t - math.sqrt(alpha) * grid) ** 2) / (2 * (1 - alpha))
    log_mass = log_mass - (grid - math.sqrt(kept) * x_0) ** 2 / (2 * (1 - kept))
    mass = torch.softmax(log_mass, 0)
    mean = float(mass @ grid)
    values = [torch.tensor(value, dtype=torch.float64) for value in (x_0, x_t, alpha, kept)]
    assert float(posterior_mean(*values)) == pytest.approx(mean, abs=1e-9)
    assert float(posterior_variance(*values[2:])) == pytest.approx(float(mass @ (grid - mean) ** 2), abs=1e-9)


def test_the_prior_term_against_a_mean_of_log_densities():
    kept, x_0 = torch.tensor(0.3, dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64)
    q = torch.distributions.Normal(kept.sqrt() * x_0, (1 - kept).sqrt())
    draws = q.sample((200_000,))
    terms = q.log_prob(draws) - torch.distributions.Normal(0.0, 1.0).log_prob(draws)
    assert prior_kl(x_0, kept).item() == pytest.approx(terms.mean().item(), abs=5 * terms.std().item() / 200_000**0.5)


def test_the_prior_term_survives_a_signal_of_nothing():
    tiny = torch.tensor(1e-12, dtype=torch.float64)
    assert prior_kl(torch.tensor(0.5, dtype=torch.float64), tiny).item() == pytest.approx(0.5e-12 * 0.25, rel=1e-3)
