"""Coordinates in use, where it is known which they are."""

import pytest
import torch

from coursework.metrics.activity import active_fraction


def test_coordinates_that_repeat_the_prior_do_not_count_as_active():
    locations = torch.cat([torch.randn(500, 3), 0.01 * torch.randn(500, 5)], 1)
    assert active_fraction(locations, torch.ones(8)) == pytest.approx(3 / 8)
    assert active_fraction(0.01 * locations, torch.full((8,), 0.01)) == pytest.approx(3 / 8)


def test_a_collapsed_space_has_none():
    assert active_fraction(torch.zeros(10, 4), torch.ones(4)) == 0
