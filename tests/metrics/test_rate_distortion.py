"""Water-filling on sources whose curve is known, and a clock that grows with the work."""

import math

import pytest
import torch

from coursework.conditionals import GaussianDecoder
from coursework.metrics.cost import decoder_seconds
from coursework.metrics.rate_distortion import gaussian_rate_distortion
from coursework.nets.decoders import SkipDecoder


def test_one_variance_everywhere_gives_the_textbook_curve():
    """±a along each of four axes: variance a²/4 on each; R = (4/2)·log(λ/D) below it, 0 above."""
    rows = torch.cat([torch.eye(4), -torch.eye(4)]).double()
    variance = 2 / 8
    levels = torch.tensor([0.05, 0.1, variance, 1.0])
    rate, error = gaussian_rate_distortion(rows.view(8, 2, 2), levels)
    expected = [2 * math.log(variance / 0.05), 2 * math.log(variance / 0.1), 0.0, 0.0]
    torch.testing.assert_close(rate, torch.tensor(expected).double(), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(error, torch.tensor([0.05, 0.1, variance, variance]).double())


def test_an_axis_below_the_water_costs_nothing():
    rows = torch.zeros(400, 2, 2).double()
    rows[:200, 0, 0], rows[200:, 0, 0] = 2.0, -2.0
    rows[::2, 1, 1], rows[1::2, 1, 1] = 0.1, -0.1
    rate, error = gaussian_rate_distortion(rows, torch.tensor([0.5]))
    assert rate.item() == pytest.approx(0.5 * math.log(4 / 0.5))
    assert error.item() == pytest.approx((0.5 + 0.01) / 4)
    with pytest.raises(ValueError, match="above 0"):
        gaussian_rate_distortion(rows, torch.tensor([0.0]))


def test_a_batch_of_many_costs_more_than_a_batch_of_one():
    decoder = GaussianDecoder(SkipDecoder(16, None, (28, 28)), 1.0)
    few, many = (decoder_seconds(decoder, torch.randn(n, 16), torch.rand(n, 28, 28), 20) for n in (1, 512))
    assert 0 < 2 * few < many
