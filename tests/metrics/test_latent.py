"""Distances and densities of latents against scipy."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial import KDTree

from coursework.metrics.latent import axis_spread, fitted_mixture, fitted_normal, nearest_distances


def test_nearest_distances_against_a_tree():
    points, codes = torch.randn(40, 5), torch.randn(60, 5)
    expected, _ = KDTree(codes.numpy()).query(points.numpy())
    torch.testing.assert_close(
        nearest_distances(points, codes), torch.from_numpy(expected).float(), atol=1e-4, rtol=1e-4
    )
    second, _ = KDTree(codes.numpy()).query(codes.numpy(), k=2)
    ours = nearest_distances(codes, codes, same=True)
    torch.testing.assert_close(ours, torch.from_numpy(second[:, 1]).float(), atol=1e-3, rtol=1e-3)


def test_too_few_codes():
    with pytest.raises(ValueError, match="1 codes"):
        nearest_distances(torch.randn(1, 2), torch.randn(1, 2), same=True)


def test_spread_along_axes_of_a_turned_cloud():
    scales = torch.tensor([3.0, 1.0, 0.2])
    turn = torch.linalg.qr(torch.randn(3, 3)).Q
    codes = (torch.randn(20_000, 3) * scales) @ turn.T
    torch.testing.assert_close(axis_spread(codes, codes), scales, rtol=0.03, atol=0)
    torch.testing.assert_close(axis_spread(torch.randn(20_000, 3), codes), torch.ones(3), rtol=0.03, atol=0)


def test_log_density_recovers_the_law_of_many_codes():
    scales = torch.tensor([0.5, 1.0, 2.0])
    codes = torch.randn(20_000, 3) * scales
    points = torch.randn(10, 3)
    expected = stats.norm.logpdf(points.numpy(), scale=scales.numpy()).sum(1)
    assert fitted_normal(codes).log_prob(points.double()).numpy() == pytest.approx(expected, abs=0.15)


def test_fewer_codes_than_dimensions_still_have_a_density():
    law = fitted_normal(torch.randn(5, 20))
    assert torch.isfinite(law.log_prob(torch.zeros(20).double()))
    assert torch.linalg.eigvalsh(law.covariance_matrix).min() > 0


def test_a_mixture_finds_two_clumps():
    centres = torch.tensor([[4.0, 0, 0], [-4.0, 0, 0]])
    codes = torch.cat([centre + 0.5 * torch.randn(2000, 3) for centre in centres])
    law = fitted_mixture(codes, 2)
    means = law.component_distribution.mean.float()
    torch.testing.assert_close(means[means[:, 0].argsort(descending=True)], centres, atol=0.1, rtol=0)
    points = centres.repeat(4, 1) + 0.5 * torch.randn(8, 3)
    each = [stats.multivariate_normal.logpdf(points.numpy(), centre.numpy(), 0.25) for centre in centres]
    assert law.log_prob(points.double()).numpy() == pytest.approx(np.logaddexp(*each) - np.log(2), abs=0.3)


def test_a_mixture_of_more_parts_than_codes_is_refused():
    with pytest.raises(ValueError, match="num_components = 9: give 1 to 5"):
        fitted_mixture(torch.randn(5, 2), 9)
