"""A prior learned after the posteriors: a mixture of Gaussians, which the bound prefers to the standard normal law."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal, constraints

from coursework.errors import ConfigError


def mixture_prior(
    posterior: Distribution, num_components: int, seed: int, *, num_draws: int = 4, least_variance: float = 1e-3
) -> MixtureSameFamily:
    """The mixture of Gaussians with diagonal covariances under which draws of the posteriors are likeliest.

    With posteriors and decoder fixed, all that the evidence lower bound says of the prior is E_q[log p(z)], averaged
    over the images: the prior that raises it most, within a class of laws, is the class's maximum likelihood fit to
    draws of the posteriors. One component per posterior would raise it most of all and only repeat the images, so the
    number of components is to be chosen by images that were not fitted to.

    Args:
        posterior: of the training images, batch shape (image,), event shape (latent,), on the whole space.
        num_components: of the mixture.
        seed: of the draws and of the mixture's start.
        num_draws: per image.
        least_variance: added to every variance.

    Raises:
        ConfigError: posteriors on a part of the space, which no Gaussian keeps to.
        ValueError: fewer draws than components.

    Reference: Tomczak and Welling, arXiv:1705.07120, section 2 (the best prior is the mean of the posteriors).
    """
    from sklearn.mixture import GaussianMixture

    if not _on_whole_space(posterior):
        raise ConfigError(
            f"posteriors on {posterior.support}: a mixture of Gaussians is a prior for the whole space. Choose a "
            "family on the whole line, such as normal."
        )
    draws = _draw(posterior, num_draws, seed).flatten(0, 1)  # (draw · image, latent)
    if not 1 <= num_components <= len(draws):
        raise ValueError(f"num_components = {num_components} with {len(draws)} draws: give 1 to as many.")
    fitted = GaussianMixture(
        num_components, covariance_type="diag", reg_covar=least_variance, max_iter=200, tol=1e-2, random_state=seed
    ).fit(draws.double().numpy())
    loc, variance = torch.from_numpy(fitted.means_), torch.from_numpy(fitted.covariances_)
    return MixtureSameFamily(
        Categorical(probs=torch.from_numpy(fitted.weights_).float()),
        Independent(Normal(loc.float(), variance.sqrt().float()), 1),
    )


def prior_gains(
    posterior: Distribution, learned: Distribution, standard: Distribution, seed: int
) -> Float[Tensor, " image"]:
    """E_q[log learned(z) − log standard(z)] of every image: nats by which its bound rises with another prior.

    The expectation is estimated from eight draws per image. The posteriors are those of the standard prior, so this is
    the least gain there is: fitted to the learned prior, they would make the bound higher still.
    """
    draws = _draw(posterior, 8, seed)
    return (learned.log_prob(draws) - standard.log_prob(draws)).mean(0)


def most_components(gains: Mapping[int, Float[Tensor, " image"]]) -> int:
    """The largest number of components whose mean gain is within one standard error of the best.

    Args:
        gains: number of components → gains of images that no prior was fitted to.
    """
    best = max(gains.values(), key=lambda gain: gain.mean().item())
    least = best.mean() - best.std() / len(best) ** 0.5
    return max(number for number, gain in gains.items() if gain.mean() >= least)


def _draw(posterior: Distribution, num_draws: int, seed: int) -> Float[Tensor, "draw image latent"]:
    """Draws of every posterior; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return posterior.sample((num_draws,))


def _on_whole_space(law: Distribution) -> bool:
    support = law.support
    if isinstance(support, constraints.independent):
        support = support.base_constraint
    return support is constraints.real
