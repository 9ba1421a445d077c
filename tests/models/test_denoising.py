"""Schedules that are refused, and samplers against data whose best guess of the noise is known."""

import itertools
import math

import pytest
import torch
from torch import nn

from coursework.models.denoising import EpsNet, Schedule, at_levels, evenly_spaced, guessed_image, reverse_law, sample
from coursework.models.diffusion import cosine_betas, linear_betas, posterior_mean, posterior_variance


class Gaussian:
    """The best guess of the noise for data N(0, s²): linear in x_t."""

    def __init__(self, schedule, spread):
        self.schedule, self.spread = schedule, spread

    def __call__(self, x_t, t):
        kept = at_levels(self.schedule, t, x_t).kept
        return (1 - kept).sqrt() / (kept * self.spread**2 + 1 - kept) * x_t


def noise(count, seed=0):
    return torch.randn(count, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("betas", [[0.1, 0.3, 0.2], [0.2, 0.1]])
def test_a_schedule_that_falls_is_refused_and_says_where(betas):
    with pytest.raises(ValueError, match=r"fall from .* at step \d to .*: a schedule increases"):
        Schedule(torch.tensor(betas))


@pytest.mark.parametrize("betas", [[0.0, 0.1], [0.1, 1.0], [0.1, math.nan], []])
def test_what_are_no_variances_is_refused(betas):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Schedule(torch.tensor(betas))


@pytest.mark.parametrize("length", [2, 50, 1000])
def test_both_schedules_pass_and_keep_the_image_at_level_zero(length):
    for betas in (linear_betas(length), cosine_betas(length)):
        schedule = Schedule(betas)
        assert len(schedule) == length
        assert schedule.kept[0] == 1
        assert bool((schedule.kept.diff() < 0).all())


def test_levels_are_gathered_by_example():
    schedule = Schedule(linear_betas(4, 0.1, 0.4))
    alpha, kept, before = at_levels(schedule, torch.tensor([1, 3]), torch.zeros(2, 5))
    torch.testing.assert_close(alpha.flatten(), torch.tensor([0.9, 0.7]))
    torch.testing.assert_close(kept.flatten(), torch.tensor([0.9, 0.9 * 0.8 * 0.7]))
    torch.testing.assert_close(before.flatten(), torch.tensor([1.0, 0.9 * 0.8]))
    assert kept.shape == (2, 1)


def test_the_net_starts_as_the_best_linear_guess_for_unit_variance():
    class Zero(nn.Module):
        def forward(self, x, level):
            return torch.zeros_like(x)

    schedule = Schedule(cosine_betas(30))
    x_t, t = torch.randn(6, 3), torch.tensor([1, 5, 9, 17, 25, 30])
    torch.testing.assert_close(EpsNet(Zero(), schedule)(x_t, t), Gaussian(schedule, 1.0)(x_t, t))


def test_a_right_guess_gives_the_image_back():
    x_0, eps, kept = torch.rand(4) * 2 - 1, torch.randn(4), torch.tensor(0.3)
    torch.testing.assert_close(guessed_image(kept.sqrt() * x_0 + (1 - kept).sqrt() * eps, eps, kept), x_0)
    assert guessed_image(torch.tensor([9.0]), torch.zeros(1), kept).item() == 1


def test_few_levels_without_noise_follow_the_exact_map():
    """For data N(0, s²) the deterministic sampler's limit maps noise to s times itself."""
    schedule, spread = Schedule(cosine_betas(1000, largest=0.999)), 0.2
    x = noise(500).clamp(-3, 3)
    found = sample(Gaussian(schedule, spread), schedule, x, levels=evenly_spaced(250, 1000), eta=0.0)
    torch.testing.assert_close(found, spread * x, rtol=0.02, atol=1e-6)


def chain_spread(schedule, spread):
    """Spread of what the chain's posterior, drawn from T down to 1 at the best guess of the image, comes to."""
    variance = torch.ones((), dtype=torch.float64)
    for t in range(len(schedule), 0, -1):
        kept, before = schedule.kept[t], schedule.kept[t - 1]
        image = kept.sqrt() * spread**2 / (kept * spread**2 + 1 - kept)  # of x_t
        slope = posterior_mean(image, torch.ones(()).double(), kept / before, before)
        variance = slope**2 * variance + posterior_variance(kept / before, before)
    return variance.sqrt().item()


@pytest.mark.parametrize("make", [lambda: linear_betas(200, 5e-4, 0.1), lambda: cosine_betas(200)])
def test_all_levels_with_noise_give_the_law_of_the_data(make):
    schedule, spread, count = Schedule(make()), 0.25, 20_000
    drawn = sample(Gaussian(schedule, spread), schedule, noise(count), generator=torch.Generator().manual_seed(1))
    assert drawn.mean().item() == pytest.approx(0, abs=5 * spread / count**0.5)
    assert drawn.std().item() == pytest.approx(chain_spread(schedule, spread), rel=5 / math.sqrt(2 * count))
    assert drawn.std().item() == pytest.approx(spread, rel=0.08)  # a little narrow: each step's own spread is the least


def test_a_step_with_noise_is_a_draw_of_the_reverse_law():
    schedule = Schedule(linear_betas(10, 0.05, 0.3))
    guess, x_t = Gaussian(schedule, 0.3), torch.full((200_000, 1), 0.4, dtype=torch.float64)
    mean, variance = reverse_law(guess, schedule, x_t[:1], torch.tensor([10]))
    path = []

    def spy(x, t):
        path.append(x)
        return guess(x, t)

    sample(spy, schedule, x_t, levels=[10, 9], generator=torch.Generator().manual_seed(0))
    assert path[1].mean().item() == pytest.approx(mean.item(), abs=5 * math.sqrt(variance.item() / len(x_t)))
    assert path[1].var().item() == pytest.approx(variance.item(), rel=5 * math.sqrt(2 / len(x_t)))


def test_nothing_is_drawn_without_noise():
    schedule, x = Schedule(cosine_betas(20)), noise(3)
    guess = Gaussian(schedule, 0.5)
    first, again = (sample(guess, schedule, x, levels=[20, 10, 5], eta=0.0) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(sample(guess, schedule, x), sample(guess, schedule, x))


@pytest.mark.parametrize("levels", [[3, 5], [21], [5, 5], [5, 0], []])
def test_impossible_levels_are_refused(levels):
    schedule = Schedule(cosine_betas(20))
    with pytest.raises(ValueError, match="they must fall"):
        sample(Gaussian(schedule, 1.0), schedule, noise(1), levels=levels)


def test_impossible_noise_is_refused():
    schedule = Schedule(cosine_betas(20))
    with pytest.raises(ValueError, match=r"eta = 1\.5"):
        sample(Gaussian(schedule, 1.0), schedule, noise(1), eta=1.5)
    with pytest.raises(ValueError, match="num_steps = 21"):
        evenly_spaced(21, 20)


@pytest.mark.parametrize(("count", "length"), [(1, 7), (7, 7), (3, 100), (50, 200)])
def test_levels_are_even_and_never_reach_the_image(count, length):
    levels = [*evenly_spaced(count, length), 0]
    gaps = [t - s for t, s in itertools.pairwise(levels)]
    assert levels[0] == length
    assert len(levels) == count + 1
    assert max(gaps) - min(gaps) <= 1
    assert min(gaps) >= 1
