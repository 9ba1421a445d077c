"""Without noise the density grows past any bound; with noise it stays above the entropy."""

import math

import pytest
import torch

from coursework.models.grey_mixture import fit_mixture, level_entropy

LEVELS = torch.tensor([0] * 60 + [255] * 30 + list(range(100, 110)), dtype=torch.uint8)


def fit(*, noise, num_steps=300):
    return fit_mixture(LEVELS, noise=noise, num_components=4, num_steps=num_steps, rate=0.05, seed=0)


def test_without_noise_bits_fall_below_zero_as_a_scale_closes_in():
    found = fit(noise=False)
    assert found.bits[-1] < 0 < level_entropy(LEVELS)
    assert found.smallest_scale[-1] < 1e-3
    assert fit(noise=False, num_steps=600).bits[-1] < found.bits[-1] - 1


def test_with_noise_they_stay_above_the_entropy():
    assert fit(noise=True).bits[-20:].mean() > level_entropy(LEVELS)


def test_the_entropy_of_known_frequencies():
    assert level_entropy(torch.tensor([0, 0, 7, 9], dtype=torch.uint8)) == pytest.approx(1.5)
    assert level_entropy(torch.arange(256).byte()) == pytest.approx(math.log2(256))


def test_no_component_is_refused():
    with pytest.raises(ValueError, match="num_components = 0"):
        fit_mixture(LEVELS, noise=True, num_components=0, num_steps=1, rate=0.1, seed=0)
