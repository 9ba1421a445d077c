"""The Fréchet distance between two sets of features, each taken for a Gaussian."""

import numpy as np
from jaxtyping import Float
from torch import Tensor


def frechet_distance(a: Float[Tensor, "first feature"], b: Float[Tensor, "second feature"]) -> float:
    r"""‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2(Σ_a Σ_b)^½), the squared 2-Wasserstein distance of the two fitted Gaussians.

    The trace of the root is the sum of the square roots of the eigenvalues of S Σ_b S with S = Σ_a^½, which is
    symmetric. In the features of our own classifier this is called F-FID; it is not FID, whose features are
    Inception's, and the two cannot be compared.

    Raises:
        ValueError: fewer than two examples on a side, differing widths, or features that are not finite.

    Reference: Dowson and Landau, Journal of Multivariate Analysis 12(3), 1982; Heusel et al., arXiv:1706.08500.
    """
    first, second = (features.detach().cpu().double().numpy() for features in (a, b))
    if min(len(first), len(second)) < 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features {first.shape} and {second.shape}: give at least two rows each, of the same width.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("features are not all finite: the model that made the images has diverged.")
    covariance_a, covariance_b = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (first, second))
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ covariance_b @ root).clip(min=0)
    shift = first.mean(0) - second.mean(0)
    return float(shift @ shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * np.sqrt(cross).sum())
