"""The least number of nats at which a Gaussian source can be told with a given error: a yardstick for bounds."""

import torch
from jaxtyping import Float, Num
from torch import Tensor


def gaussian_rate_distortion(
    images: Num[Tensor, "image height width"], levels: Float[Tensor, " level"]
) -> tuple[Float[Tensor, " level"], Float[Tensor, " level"]]:
    r"""Rate in nats per image and mean squared error per pixel of a Gaussian with the images' covariance.

    Reverse water-filling: along principal axis i of variance λ_i the error is min(λ_i, θ) and the rate
    ½·log(λ_i/θ) where λ_i > θ, 0 elsewhere. It is what any linear code could at best reach, and what the best code for
    Gaussian data does reach.

    Args:
        images: in the unit whose square the error is to have.
        levels: θ, variances > 0, one point of the curve each.

    Raises:
        ValueError: a level is not positive.

    Reference: Cover and Thomas, Elements of Information Theory, theorem 10.3.3.
    """
    if not (levels > 0).all():
        raise ValueError("levels: give variances above 0.")
    rows = images.flatten(1).double()
    covariance = torch.cov(rows.T, correction=0)
    variances = torch.linalg.eigvalsh(covariance).clamp(min=0)[:, None]  # (axis, 1)
    theta = levels.double()
    rate = 0.5 * (variances / theta).log().clamp(min=0).sum(0)
    error = torch.minimum(variances, theta).sum(0) / rows.shape[1]
    return rate, error
