"""How draws from the prior lie to the codes that were learned."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal


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


def axis_spread(points: Float[Tensor, "point latent"], codes: Float[Tensor, "code latent"]) -> Float[Tensor, " latent"]:
    """Standard deviation of the points along each principal axis of the codes, from the codes' widest axis down."""
    axes = torch.linalg.eigh(torch.cov(codes.T.double())).eigenvectors.flip(1)  # (latent, axis)
    return (points.double() @ axes).std(0).float()


def fitted_normal(codes: Float[Tensor, "code latent"]) -> MultivariateNormal:
    """The Gaussian fitted to the codes, its covariance shrunk so that it can be inverted whatever their number.

    Reference: Ledoit and Wolf, Journal of Multivariate Analysis 88(2), 2004.
    """
    from sklearn.covariance import LedoitWolf

    fitted = LedoitWolf().fit(codes.double().numpy())
    return MultivariateNormal(torch.from_numpy(fitted.location_), torch.from_numpy(fitted.covariance_))


def fitted_mixture(codes: Float[Tensor, "code latent"], num_components: int, seed: int = 0) -> MixtureSameFamily:
    """A mixture of Gaussians with one covariance, fitted to the codes by expectation maximisation.

    A density for the latents of a model that was trained without one (Ghosh et al., arXiv:1903.12436, section 4).

    Raises:
        ValueError: no component, or more than codes.
    """
    from sklearn.mixture import GaussianMixture

    if not 1 <= num_components <= len(codes):
        raise ValueError(f"num_components = {num_components}: give 1 to {len(codes)}, the number of codes.")
    fitted = GaussianMixture(num_components, covariance_type="tied", reg_covar=1e-3, max_iter=500, random_state=seed)
    fitted.fit(codes.double().numpy())
    means = torch.from_numpy(fitted.means_)  # (component, latent)
    parts = MultivariateNormal(means, torch.from_numpy(fitted.covariances_).expand(num_components, -1, -1))
    return MixtureSameFamily(Categorical(torch.from_numpy(fitted.weights_)), parts)
