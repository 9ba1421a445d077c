"""The importance-weighted bound at a fraction of its cost: many draws are weighed, a few carry the gradient."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import Conditional
from coursework.objectives import Terms


def resampled_iwae(
    posterior: Distribution,
    decoder: Conditional,
    prior: Distribution,
    x: Float[Tensor, "batch *event"],
    *,
    num_samples: int,
    num_kept: int,
) -> tuple[Float[Tensor, ""], Terms]:
    r"""Minus the mean over the batch of the bound of `iwae`, with a gradient that is right on average.

    The gradient of log (1/k)·Σ_j w_j is Σ_j w̃_j ∇log w_j with w̃ = w/Σw. Draws are weighed without a gradient, a few are
    chosen with probabilities w̃, and ∇log w is the mean over these: the same expectation, and the decoder is
    differentiated for `num_kept` draws instead of k.

    Args:
        posterior: q(z|x), batch shape (batch,), event shape (latent,).
        decoder: z → p(x|z), event shape (*event).
        prior: p(z).
        x: data in the range of the likelihood.
        num_samples: k, at least 1.
        num_kept: draws that carry the gradient, at least 1.

    Raises:
        ValueError: a number of draws is below 1.

    Reference: Burda et al., arXiv:1509.00519, section 3, on choosing one draw by its weight.
    """
    if num_samples < 1 or num_kept < 1:
        raise ValueError(f"num_samples = {num_samples}, num_kept = {num_kept}: give at least 1 of both.")
    z = posterior.rsample((num_samples,))  # (draw, batch, latent)
    with torch.no_grad():
        log_weight = _log_weights(posterior, decoder, prior, x, z)
        bound = log_weight.logsumexp(0) - math.log(num_samples)
        kept = systematic(log_weight.softmax(0), num_kept)  # (kept, batch)
    chosen = z.gather(0, kept[..., None].expand(-1, -1, z.shape[2]))
    carrier = _log_weights(posterior, decoder, prior, x, chosen).mean(0)
    return -(bound + carrier - carrier.detach()).mean(), {"bound": bound}


def systematic(weights: Float[Tensor, "draw batch"], num_kept: int) -> Int64[Tensor, "kept batch"]:
    """Rows chosen with probabilities `weights`, column by column, at evenly spaced places from a common random start.

    Each row is expected `num_kept` times its weight, with less spread than independent choices have.

    Args:
        weights: columns that add up to 1.
        num_kept: rows per column.

    >>> systematic(torch.tensor([[0.0], [1.0], [0.0]]), 2).flatten().tolist()
    [1, 1]
    """
    edges = weights.cumsum(0).T.contiguous()  # (batch, draw)
    start = torch.rand(len(edges), 1, device=weights.device, dtype=weights.dtype)
    places = (torch.arange(num_kept, device=weights.device) + start) / num_kept
    return torch.searchsorted(edges, places * edges[:, -1:], right=True).clamp_(max=len(weights) - 1).T


def _log_weights(
    posterior: Distribution, decoder: Conditional, prior: Distribution, x: Tensor, z: Float[Tensor, "draw batch latent"]
) -> Float[Tensor, "draw batch"]:
    repeated = x.expand(len(z), *x.shape).flatten(0, 1)
    log_likelihood = decoder(z.flatten(0, 1)).log_prob(repeated).view(len(z), len(x))
    return log_likelihood + prior.log_prob(z) - posterior.log_prob(z)
