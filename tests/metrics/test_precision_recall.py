"""Improved precision and recall against trees, and where the answer is known."""

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

from coursework.metrics.precision_recall import precision_recall


def by_trees(points, by, k):
    tree = KDTree(by)
    radius = tree.query(by, k + 1)[0][:, k]
    return np.mean([any(np.linalg.norm(point - by, axis=1) <= radius) for point in points])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_against_trees(k):
    real, samples = torch.randn(60, 4), 0.7 * torch.randn(50, 4) + 0.8
    found = precision_recall(real, samples, k)
    assert found.precision == pytest.approx(by_trees(samples.numpy(), real.numpy(), k))
    assert found.recall == pytest.approx(by_trees(real.numpy(), samples.numpy(), k))
    assert 0 < found.precision < 1
    assert 0 < found.recall < 1


def test_a_set_against_itself_and_against_one_far_away():
    real = torch.randn(40, 3)
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, real + 1000) == (0, 0)


def test_samples_of_one_of_two_modes_are_precise_and_miss_half():
    left, right = torch.rand(200, 2), torch.rand(200, 2) + 50
    found = precision_recall(torch.cat([left, right]), torch.rand(400, 2), 20)
    assert found.precision > 0.95
    assert found.recall == pytest.approx(0.5, abs=0.03)


def test_samples_far_wider_than_the_data_cover_it_without_precision():
    found = precision_recall(torch.randn(300, 2), 30 * torch.randn(300, 2), 3)
    assert found.precision < 0.1
    assert found.recall > 0.5


@pytest.mark.parametrize(
    ("real", "samples", "k", "said"),
    [
        (torch.randn(3, 2), torch.randn(9, 2), 3, "more rows than neighbours"),
        (torch.randn(9, 2), torch.randn(9, 2), 0, "at least one neighbour"),
        (torch.randn(9, 2), torch.full((9, 2), torch.inf), 3, "finite"),
    ],
)
def test_bad_features_are_refused(real, samples, k, said):
    with pytest.raises(ValueError, match=said):
        precision_recall(real, samples, k)
