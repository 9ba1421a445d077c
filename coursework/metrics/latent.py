"""How draws from the prior lie to the codes that were learned."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def nearest_distances(
    points: Float[Tensor, "point latent"], codes: Float[Tensor, "code latent"], *, same: bool = False
) -> Float[Tensor, " point"]:
    """Euclidean distance of every point to its nearest code; with `same`, to the nearest other one.

    Raises:
        ValueError: no code to measure to.
    """
    if len(codes) < (2 if same else 1):
        raise ValueError(f"{len(codes)} codes are too few to measure a nearest distance.")
    distance = torch.cdist(points, codes)
    if same:
        distance.fill_diagonal_(math.inf)
    return distance.min(1).values


def gaussian_log_density(
    points: Float[Tensor, "point latent"], codes: Float[Tensor, "code latent"]
) -> Float[np.ndarray, " point"]:
    """Log-density of the points, in nats, under the Gaussian fitted to the codes (Ledoit and Wolf's covariance).

    The shrinkage keeps the covariance invertible when there are hardly more codes than dimensions.

    Reference: Ledoit and Wolf, Journal of Multivariate Analysis 88(2), 2004.
    """
    from scipy.stats import multivariate_normal
    from sklearn.covariance import LedoitWolf

    fitted = LedoitWolf().fit(codes.double().numpy())
    law = multivariate_normal(fitted.location_, fitted.covariance_)
    return np.atleast_1d(law.logpdf(points.double().numpy()))
