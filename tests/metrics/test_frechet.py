"""The Fréchet distance against scipy's matrix square root and the closed form for known Gaussians."""

import numpy as np
import pytest
import torch
from scipy import linalg

from coursework.metrics.frechet import frechet_distance


def test_against_the_matrix_square_root():
    mix = torch.randn(6, 6)
    a, b = torch.randn(500, 6) @ mix, torch.randn(400, 6) * 1.5 + 0.3
    covariance_a, covariance_b = np.cov(a.numpy(), rowvar=False), np.cov(b.numpy(), rowvar=False)
    root = linalg.sqrtm(covariance_a @ covariance_b).real
    shift = a.numpy().mean(0) - b.numpy().mean(0)
    expected = shift @ shift + np.trace(covariance_a + covariance_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_zero_for_itself_symmetric_and_shift_alone():
    a, b = torch.randn(300, 4), torch.randn(200, 4) * 2
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)
    assert frechet_distance(a, a + torch.tensor([3.0, 0, 0, 4.0])) == pytest.approx(25, rel=1e-4)


def test_fewer_examples_than_features_is_finite():
    assert np.isfinite(frechet_distance(torch.randn(5, 20), torch.randn(7, 20)))


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (torch.randn(1, 3), torch.randn(5, 3), "two rows"),
        (torch.randn(5, 3), torch.full((5, 3), torch.nan), "finite"),
    ],
)
def test_bad_features_are_refused(a, b, said):
    with pytest.raises(ValueError, match=said):
        frechet_distance(a, b)
