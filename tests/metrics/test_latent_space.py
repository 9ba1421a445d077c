"""Classes among neighbours, silhouettes and maps, against brute force, scikit-learn and clouds that are known."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from coursework.errors import CourseworkError
from coursework.metrics.latent_space import (
    leave_one_out_accuracy,
    map_trustworthiness,
    silhouette,
    transfer_accuracy,
    tsne,
)


@pytest.fixture
def clouds():
    """Three well separated clouds in ten dimensions, and their labels."""
    labels = torch.arange(120) % 3
    centres = 12 * torch.eye(10)[:3]
    return centres[labels] + torch.randn(120, 10), labels


@pytest.fixture(scope="module")
def drawn():
    torch.manual_seed(3)
    labels = torch.arange(120) % 3
    latents = 12 * torch.eye(10)[labels] + torch.randn(120, 10)
    return latents, labels, tsne(latents, 0, perplexity=10)


@pytest.mark.parametrize("k", [1, 4])
def test_leaving_one_out_is_cross_validation_over_single_points(k):
    latents, labels = torch.randn(50, 3), torch.randint(4, (50,))
    folds = cross_val_score(KNeighborsClassifier(k), latents.double().numpy(), labels.numpy(), cv=LeaveOneOut())
    assert leave_one_out_accuracy(latents, labels, k) == pytest.approx(folds.mean())


def test_transfer_by_brute_force():
    latents, labels = torch.randn(60, 3), torch.randint(3, (60,))
    others, truth = torch.randn(40, 3), torch.randint(3, (40,))
    hits = 0
    for point, label in zip(others, truth, strict=True):
        votes = labels[(latents - point).norm(dim=1).argsort()[:5]].bincount(minlength=3)
        hits += int(votes.argmax() == label)
    assert transfer_accuracy(latents, labels, others, truth, 5) == pytest.approx(hits / 40)


def test_silhouette_by_its_definition():
    latents, labels = torch.randn(30, 2, dtype=torch.float64).float(), torch.arange(30) % 3
    distance = torch.cdist(latents.double(), latents.double())
    values = []
    for i in range(30):
        own = (labels == labels[i]) & (torch.arange(30) != i)
        a = distance[i, own].mean()
        b = min(distance[i, labels == other].mean() for other in range(3) if other != labels[i])
        values.append(((b - a) / max(a, b)).item())
    assert silhouette(latents, labels) == pytest.approx(np.mean(values), abs=1e-6)


def test_a_map_keeps_clouds_apart(drawn):
    latents, labels, found = drawn
    assert leave_one_out_accuracy(found.points, labels, 5) == 1
    assert map_trustworthiness(latents, found.points) > map_trustworthiness(latents, torch.randn(120, 2)) + 0.2


def test_others_are_placed_in_their_cloud_and_do_not_act_on_one_another(drawn):
    latents, labels, found = drawn
    others = latents[:30] + 0.1 * torch.randn(30, 10)
    placed = found.place(others)
    assert transfer_accuracy(found.points, labels, placed, labels[:30], 5) == 1
    torch.testing.assert_close(found.place(others[:3]), placed[:3], atol=1e-3, rtol=1e-3)


def test_the_same_seed_draws_the_same_map(drawn):
    latents, _, found = drawn
    assert torch.equal(tsne(latents, 0, perplexity=10).points, found.points)


def test_latents_of_no_variance_and_copies_of_a_few_are_refused():
    with pytest.raises(CourseworkError, match=r"lie on one spot.*collapsed: train longer"):
        tsne(torch.full((100, 4), 3.0), 0)
    with pytest.raises(CourseworkError, match="lie on one spot"):
        tsne(torch.full((100, 4), 3.0) + 1e-7 * torch.randn(100, 4), 0)
    with pytest.raises(CourseworkError, match="lie on one spot"):
        tsne(torch.zeros(100, 4), 0)
    with pytest.raises(CourseworkError, match="only 5 of 100 latents differ"):
        tsne(torch.randn(5, 4).repeat(20, 1), 0)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_latents_that_are_not_finite_are_refused(clouds, drawn, bad):
    latents, labels = clouds
    latents[7, 2] = bad
    for asked in (
        lambda: tsne(latents, 0, perplexity=10),
        lambda: drawn[2].place(latents),
        lambda: leave_one_out_accuracy(latents, labels),
        lambda: transfer_accuracy(latents, labels, latents, labels),
        lambda: silhouette(latents, labels),
        lambda: map_trustworthiness(latents, latents[:, :2]),
    ):
        with pytest.raises(CourseworkError, match=r"1 of 120 latents are not finite.*Lower"):
            asked()


def test_too_few_latents_name_the_number_and_the_remedy():
    few = torch.randn(20, 3)
    with pytest.raises(CourseworkError, match=r"perplexity = 30 with 20 latents.*91 latents.*lower perplexity"):
        tsne(few, 0)
    with pytest.raises(CourseworkError, match="num_neighbours = 20 with 20 latents"):
        leave_one_out_accuracy(few, torch.arange(20) % 2, 20)
    with pytest.raises(CourseworkError, match="num_neighbours = 10 with 20 latents"):
        map_trustworthiness(few, few[:, :2], 10)
    with pytest.raises(CourseworkError, match="20 latents in 1 classes"):
        silhouette(few, torch.zeros(20, dtype=torch.int64))
