"""Errors that are found where there are some, and arcs that stay on their sphere."""

import pytest
import torch

from coursework.distributions.pixels import PixelLogit
from coursework.distributions.reshaping import Flatten
from coursework.metrics.invertible import arc, exactness
from coursework.models.flow import Flow
from coursework.models.image_flows import dense_flow


def flow():
    generator = torch.Generator().manual_seed(0)
    return dense_flow((4, 4), PixelLogit(0.05), num_couplings=2, widths=(8,), generator=generator)


def test_a_sound_flow_is_exact():
    x = 256 * torch.rand(3, 4, 4)
    found = exactness(flow(), x, jacobian=True)
    assert found.round_trip < 1e-5
    assert found.log_det < 1e-5


def test_a_wrong_log_determinant_and_a_wrong_inverse_are_seen(monkeypatch):
    class Doubled(Flatten):
        def _call(self, x):
            return 2 * super()._call(x)

    found = exactness(Flow((4, 4), [Doubled((4, 4))]), 256 * torch.rand(2, 4, 4), jacobian=True)
    assert found.round_trip > 0.1
    assert found.log_det == pytest.approx(0.6931, abs=1e-3)


def test_an_arc_keeps_length_and_turns_evenly():
    first, last = torch.randn(2, 50, dtype=torch.float64)
    points = arc(first, 2 * last, 5)
    torch.testing.assert_close(points[0], first)
    torch.testing.assert_close(points[-1], 2 * last)
    units = points / points.norm(dim=1, keepdim=True)
    angles = (units[1:] * units[:-1]).sum(1).arccos()
    torch.testing.assert_close(angles, angles[0].expand(4))


def test_latents_in_line_have_no_arc():
    with pytest.raises(ValueError, match="latents apart"):
        arc(torch.ones(3), -torch.ones(3), 4)
