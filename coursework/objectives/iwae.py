"""The importance-weighted bound: tighter than the evidence lower bound, by more than one draw."""

import math

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import Conditional
from coursework.objectives import Terms


def iwae(
    posterior: Distribution,
    decoder: Conditional,
    prior: Distribution,
    x: Float[Tensor, "batch *event"],
    *,
    num_samples: int,
) -> tuple[Float[Tensor, ""], Terms]:
    r"""Minus the mean over the batch of log (1/k)·Σ_j p(x|z_j)·p(z_j)/q(z_j|x), and the bound per example, in nats.

    With k = 1 this is the evidence lower bound; its expectation rises with k towards log p(x). Differentiable in the
    posterior's parameters through the draws.

    Args:
        posterior: q(z|x), batch shape (batch,), event shape (latent,).
        decoder: z → p(x|z), event shape (*event).
        prior: p(z).
        x: data in the range of the likelihood.
        num_samples: k.

    Raises:
        ValueError: `num_samples` is below 1.

    Reference: Burda et al., arXiv:1509.00519, equation 8.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples = {num_samples}: give at least 1.")
    log_weight, _ = log_weights(posterior, decoder, prior, x, num_samples)
    bound = log_weight.logsumexp(0) - math.log(num_samples)
    return -bound.mean(), {"bound": bound}


def log_weights(
    posterior: Distribution, decoder: Conditional, prior: Distribution, x: Float[Tensor, "batch *event"], count: int
) -> tuple[Float[Tensor, "draw batch"], Float[Tensor, "draw batch"]]:
    """The weights log p(x|z) + log p(z) − log q(z|x) at `count` draws z per example, and log p(x|z) alone.

    Arguments as `iwae`'s. Differentiable through the draws.
    """
    z = posterior.rsample((count,))  # (draw, batch, latent)
    repeated = x.expand(count, *x.shape).flatten(0, 1)
    log_likelihood = decoder(z.flatten(0, 1)).log_prob(repeated).view(count, len(x))
    return log_likelihood + prior.log_prob(z) - posterior.log_prob(z), log_likelihood
