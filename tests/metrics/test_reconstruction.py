"""Scores against the course's own arithmetic written out, scikit-image and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from sklearn.decomposition import PCA

from coursework.metrics import reconstruction as r


@pytest.fixture
def pair():
    x = torch.randint(0, 256, (1000, 28, 28), dtype=torch.uint8)
    return x, (x.float() + 20 * torch.randn(1000, 28, 28)).clamp(0, 255)


def test_course_score_is_the_mean_of_frobenius_norms_over_batches(pair):
    x, x_rec = pair
    losses = []
    for start in range(0, 1000, 64):
        block = (x[start : start + 64].numpy().astype(float) - x_rec[start : start + 64].numpy()).ravel()
        losses.append(math.sqrt((block**2).sum()) / block.size)
    assert r.course_score(x, x_rec) == pytest.approx(sum(losses) / 16, rel=1e-9)


def test_course_score_in_terms_of_mse(pair):
    x, _ = pair
    shifted = x.float() + 12.0  # every pixel off by the same amount
    assert r.course_score(x, shifted) == pytest.approx(1.15724 * math.sqrt(r.mse(x, shifted)), rel=1e-4)
    assert r.psnr(x, shifted) == pytest.approx(-20 * math.log10(r.course_score(x, shifted) / 1.15724), abs=1e-3)


def test_score_depends_on_the_batch_size(pair):
    ratio = r.course_score(*pair, batch_size=32) / r.course_score(*pair, batch_size=64)
    assert ratio == pytest.approx(1.435, abs=2e-3)


def test_ssim_against_scikit_image(pair):
    x, x_rec = (images[:5] for images in pair)
    reference = [
        structural_similarity(
            a.double().numpy(),
            b.double().numpy(),
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(x, x_rec, strict=True)
    ]
    assert r.ssim(x, x_rec) == pytest.approx(np.mean(reference), abs=5e-3)
    assert r.ssim(x, x.float()) == pytest.approx(1)


def test_equal_images_are_perfect(pair):
    x, _ = pair
    scores = r.reconstruction_scores(x, x.float())
    assert scores == {"score": 0, "mse": 0, "psnr": math.inf, "ssim": pytest.approx(1)}


def test_pca_against_scikit_learn(pair):
    x, _ = pair
    fitted = PCA(10, svd_solver="full").fit(x[:500].flatten(1).numpy())
    expected = fitted.inverse_transform(fitted.transform(x[500:].flatten(1).numpy()))
    ours = r.pca_reconstruction(x[:500], x[500:], 10).flatten(1)
    np.testing.assert_allclose(ours, expected, atol=0.02)


def test_mean_image_beats_any_other_constant(pair):
    x, _ = pair
    best = r.mse(x, r.mean_reconstruction(x, x))
    assert best < r.mse(x, r.mean_reconstruction(x[:10], x))
    assert best == pytest.approx((x.double() / 255).var(0, unbiased=False).mean().item(), rel=1e-5)


@pytest.mark.parametrize("score", [r.course_score, r.mse, r.psnr, r.ssim])
def test_a_channel_axis_is_refused_instead_of_broadcast(score, pair):
    x, x_rec = pair
    with pytest.raises((ValueError, TypeError)):  # jaxtyping, on under test, may be first
        score(x, x_rec[:, None])
    with pytest.raises((ValueError, TypeError)):
        score(x[:0], x_rec[:0])


@pytest.mark.parametrize("components", [0, 101])
def test_impossible_numbers_of_components_are_refused(components, pair):
    with pytest.raises(ValueError, match=f"num_components = {components}"):
        r.pca_reconstruction(pair[0][:100], pair[0], components)
