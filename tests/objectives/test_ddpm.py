"""The bound against densities of whole paths, its decoder against a count of all grey values, and what is refused."""

import math

import pytest
import torch
from torch.distributions import Normal

from coursework.data.signed import signed
from coursework.errors import DataError
from coursework.models.denoising import Schedule, at_levels
from coursework.models.diffusion import linear_betas
from coursework.objectives.ddpm import bound_term, ddpm_bound, ddpm_simple, discretised_log_prob


@pytest.fixture
def schedule():
    return Schedule(linear_betas(6, 0.05, 0.4))


def shrink(schedule, factor=0.7):
    """Some guess that is neither perfect nor blind."""

    def guess(x_t, t):
        kept = at_levels(schedule, t, x_t).kept
        return factor * (1 - kept).sqrt() * x_t + 0.05 * kept

    return guess


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 0.3), (-1.0, 0.02), (0.97, 0.01), (0.3, 3.0), (1.4, 0.2)])
def test_the_grey_values_probabilities_add_up_to_one(mean, scale):
    values = torch.arange(256).double() / 127.5 - 1
    logs = discretised_log_prob(values, torch.full_like(values, mean), torch.full_like(values, scale))
    assert logs.logsumexp(0).item() == pytest.approx(0, abs=1e-9)


def test_a_bins_probability_is_a_difference_of_two_normal_ones():
    law = Normal(torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.2, dtype=torch.float64))
    x = signed(torch.tensor([60, 130, 200], dtype=torch.uint8)).double()
    expected = (law.cdf(x + 1 / 255) - law.cdf(x - 1 / 255)).log()
    found = discretised_log_prob(x, law.loc.expand(3), law.scale.expand(3))
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_far_off_pixels_have_a_finite_probability_in_single_precision():
    x = torch.tensor([-1.0, 0.2, 1.0])
    assert torch.isfinite(discretised_log_prob(x, -x, torch.full((3,), 0.02))).all()


def test_simple_loss_is_the_squared_error_of_the_noise(schedule):
    x_0, eps, t = torch.rand(4, 2, 3) * 2 - 1, torch.randn(4, 2, 3), torch.tensor([1, 2, 5, 6])
    kept = torch.cumprod(1 - schedule.betas, 0)[t - 1].float()[:, None, None]
    x_t = kept.sqrt() * x_0 + (1 - kept).sqrt() * eps
    loss, terms = ddpm_simple(shrink(schedule), schedule, x_0, t, eps)
    expected = (eps - shrink(schedule)(x_t, t)).square().sum((1, 2))
    torch.testing.assert_close(terms["noise_error"], expected)
    torch.testing.assert_close(loss, expected.mean())
    assert ddpm_simple(lambda x, t: eps, schedule, x_0, t, eps)[0] == 0


def test_the_bound_is_the_mean_of_log_densities_along_noised_paths(schedule):
    """Every path is drawn step by step; no closed-form posterior or divergence is used for the expected value."""
    guess, count = shrink(schedule), 40_000
    x_0 = signed(torch.tensor([[90, 255]], dtype=torch.uint8)).double()
    betas = schedule.betas.double()
    path = [x_0.expand(count, 2)]
    log_ratio = torch.zeros(count, dtype=torch.float64)
    for beta in betas:
        law = Normal((1 - beta).sqrt() * path[-1], beta.sqrt())
        path.append(law.sample())
        log_ratio += law.log_prob(path[-1]).sum(1)
    log_ratio -= Normal(0.0, 1.0).log_prob(path[-1]).sum(1)
    kept = torch.cumprod(1 - betas, 0)
    for t in range(2, 7):
        x_t, now, before, beta = path[t], kept[t - 1], kept[t - 2], betas[t - 1]
        eps = guess(x_t, torch.full((count,), t))
        image = ((x_t - (1 - now).sqrt() * eps) / now.sqrt()).clamp(-1, 1)
        mean = (before.sqrt() * beta * image + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - now)
        log_ratio -= Normal(mean, ((1 - before) / (1 - now) * beta).sqrt()).log_prob(path[t - 1]).sum(1)
    eps = guess(path[1], torch.ones(count, dtype=torch.long))
    mean = ((path[1] - (1 - kept[0]).sqrt() * eps) / kept[0].sqrt()).clamp(-1, 1)
    scale = betas[0].sqrt().expand(count, 2)
    upper = Normal(mean, scale).cdf(x_0 + 1 / 255)
    lower = Normal(mean, scale).cdf(x_0 - 1 / 255)
    mass = torch.stack([(upper - lower)[:, 0], 1 - lower[:, 1]], 1)  # 255 is the last value: open above
    log_ratio -= mass.log().sum(1)
    expected, error = log_ratio.mean().item(), log_ratio.std().item() / count**0.5
    found = ddpm_bound(
        guess, schedule, x_0.expand(8000, 2), num_draws=5, generator=torch.Generator().manual_seed(0), batch_size=8000
    )
    scale = 2 * math.log(2)
    assert found.total * scale == pytest.approx(expected, abs=5 * math.hypot(error, found.standard_error * scale))
    assert found.standard_error * scale < 0.2


def test_fewer_levels_estimate_the_same_bound(schedule):
    guess, x_0 = shrink(schedule), signed(torch.randint(0, 256, (4000, 3), dtype=torch.uint8))
    source = torch.Generator().manual_seed(0)
    whole, part = (ddpm_bound(guess, schedule, x_0, num_draws=k, generator=source) for k in (5, 2))
    assert part.total == pytest.approx(whole.total, abs=5 * math.hypot(part.standard_error, whole.standard_error))
    assert part.prior == pytest.approx(whole.prior)
    assert set(part.levels[:, 0].tolist()) | set(part.levels[:, 1].tolist()) == {2, 3, 4, 5, 6}
    assert whole.levels[0].tolist() == [2, 3, 4, 5, 6]
    assert whole.total == pytest.approx(whole.prior + whole.denoising + whole.decoder)


def test_a_worse_guess_has_a_worse_bound(schedule):
    x_0 = signed(torch.full((500, 4), 100, dtype=torch.uint8))

    def perfect(x_t, t):
        kept = at_levels(schedule, t, x_t).kept
        return (x_t - kept.sqrt() * x_0[: len(x_t)]) / (1 - kept).sqrt()

    bounds = [
        ddpm_bound(guess, schedule, x_0, num_draws=5, generator=torch.Generator().manual_seed(0))
        for guess in (perfect, shrink(schedule))
    ]
    assert bounds[0].denoising == pytest.approx(0, abs=1e-6)
    assert bounds[1].denoising > 0.05


def test_a_terms_divergence_is_zero_where_the_guess_is_right(schedule):
    x_0, eps = torch.rand(3, 2).double() * 2 - 1, torch.randn(3, 2).double()
    found = bound_term(lambda x, t: eps, schedule, x_0, torch.tensor([2, 4, 6]), eps)
    torch.testing.assert_close(found, torch.zeros(3).double(), rtol=0, atol=1e-12)


def test_bad_input_is_refused(schedule):
    source = torch.Generator()
    with pytest.raises(DataError, match="x_0: pixels from 0 to 200"):
        ddpm_bound(shrink(schedule), schedule, torch.tensor([[0.0, 200.0]]), num_draws=2, generator=source)
    with pytest.raises(ValueError, match="num_draws = 6"):
        ddpm_bound(shrink(schedule), schedule, torch.zeros(1, 2), num_draws=6, generator=source)
