"""Objectives of diffusion: the error in the noise; the variational bound, term by term and in bits per dimension."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from coursework.data.signed import check_signed
from coursework.models.denoising import NoiseGuess, Schedule, at_levels, reverse_law
from coursework.models.diffusion import posterior_mean, posterior_variance, prior_kl, q_sample
from coursework.objectives import Terms

_BIN = 1 / 255
"""Half the distance of two neighbouring grey values on −1…1."""


def ddpm_simple(
    guess: NoiseGuess,
    schedule: Schedule,
    x_0: Float[Tensor, "batch *event"],
    t: Int[Tensor, " batch"],
    eps: Float[Tensor, "batch *event"],
) -> tuple[Float[Tensor, ""], Terms]:
    """Mean over the batch of ‖ε − ε_θ(x_t, t)‖², summed over pixels: the bound with all its weights set to one.

    Args:
        guess: of the noise.
        schedule: of the chain.
        x_0: images on −1…1.
        t: a level per image, drawn uniformly from 1 … T.
        eps: standard normal noise.

    Reference: Ho et al., arXiv:2006.11239, equation 14.
    """
    x_t = q_sample(x_0, at_levels(schedule, t, x_0).kept.expand_as(x_0), eps)
    error = (eps - guess(x_t, t)).square().flatten(1).sum(1)
    return error.mean(), {"noise_error": error}


def discretised_log_prob(
    x_0: Float[Tensor, "*shape"], mean: Float[Tensor, "*shape"], scale: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Log probability of 8-bit pixels: what N(mean, scale²) gives the bin of each, the outermost bins open to infinity.

    Summed over the 256 values −1, −1 + 2/255, …, 1 of a pixel, the probabilities are exactly 1.

    Reference: arXiv:2006.11239, equation 13.
    """
    upper = torch.special.log_ndtr((x_0 + _BIN - mean) / scale)
    lower = torch.special.log_ndtr((x_0 - _BIN - mean) / scale)
    above = torch.special.log_ndtr((mean - x_0 + _BIN) / scale)
    below = torch.special.log_ndtr((mean - x_0 - _BIN) / scale)
    inside = torch.where(x_0 > mean, _log_difference(above, below), _log_difference(upper, lower))
    return torch.where(x_0 < -1 + _BIN, upper, torch.where(x_0 > 1 - _BIN, above, inside))


def bound_term(
    guess: NoiseGuess,
    schedule: Schedule,
    x_0: Float[Tensor, "batch *event"],
    t: Int[Tensor, " batch"],
    eps: Float[Tensor, "batch *event"],
) -> Float[Tensor, " batch"]:
    """The term of level t of minus the bound, at one draw of x_t, in nats per image.

    For t = 1, −log p_θ(x_0|x_1), the probability of 8-bit pixels; for t ≥ 2, KL(q(x_{t−1}|x_t, x_0)‖p_θ(x_{t−1}|x_t)).

    Reference: arXiv:2006.11239, equations 5 and 13.
    """
    alpha, kept, kept_before = at_levels(schedule, t, x_0)
    x_t = q_sample(x_0, kept.expand_as(x_0), eps)
    mean, variance = reverse_law(guess, schedule, x_t, t)
    true = posterior_mean(x_0, x_t, alpha, kept_before)
    first = (t == 1).view(kept.shape)
    spread = torch.where(first, variance, posterior_variance(alpha, kept_before)).sqrt()
    denoising = kl_divergence(Normal(true, spread), Normal(mean, variance.sqrt()))
    terms = torch.where(first, -discretised_log_prob(x_0, mean, variance.sqrt()), denoising)
    return terms.flatten(1).sum(1)


class BoundInBits(NamedTuple):
    """Minus the variational bound on log p(x_0) in bits per dimension, means over images.

    Attributes:
        total: the sum of the next three, an upper bound on the code length.
        prior: KL(q(x_T|x_0)‖N(0, I)); no parameter in it.
        denoising: the sum over levels 2 … T, estimated from some levels per image.
        decoder: −log p_θ(x_0|x_1).
        standard_error: of the total over images, levels and noise.
        levels: level of each estimate, (image, draw).
        terms: the denoising term there, in bits per dimension.
    """

    total: float
    prior: float
    denoising: float
    decoder: float
    standard_error: float
    levels: Int[Tensor, "image draw"]
    terms: Float[Tensor, "image draw"]


@torch.no_grad()
def ddpm_bound(
    guess: NoiseGuess,
    schedule: Schedule,
    x_0: Float[Tensor, "image *event"],
    *,
    num_draws: int,
    generator: torch.Generator,
    batch_size: int = 500,
) -> BoundInBits:
    """The variational bound of 8-bit images, unbiased: every image gets `num_draws` levels, one from each stretch.

    The levels 2 … T are cut into `num_draws` stretches of nearly one length; a level drawn uniformly from a stretch
    stands for all of it.

    Args:
        guess: of the noise.
        schedule: of the chain, of two levels at least.
        x_0: images on −1…1, whose 256 values are the 8-bit ones.
        num_draws: levels per image, from 1 to T − 1; with T − 1 nothing is left to chance but the noise.
        generator: of levels and noise; on the CPU.
        batch_size: images at a time.

    Raises:
        DataError: images outside −1…1.
        ValueError: an impossible number of draws.
    """
    check_signed(x_0, "x_0")
    length = len(schedule)
    if not 1 <= num_draws <= length - 1:
        raise ValueError(f"num_draws = {num_draws}: give 1 to {length - 1}, the number of denoising terms.")
    edges = torch.linspace(0, length - 1, num_draws + 1, dtype=torch.float64).round().long()
    sizes = edges.diff()
    nats = math.log(2) * x_0[0].numel()

    def term(x: Tensor, t: Tensor) -> Tensor:
        eps = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        return bound_term(guess, schedule, x, t.to(x.device), eps).double().cpu()

    decoder, levels, terms = [], [], []
    for x in x_0.split(batch_size):
        decoder.append(term(x, torch.ones(len(x), dtype=torch.long)))
        draws = (torch.rand(len(x), num_draws, generator=generator) * sizes).long()
        levels.append(2 + edges[:-1] + draws)
        terms.append(torch.stack([term(x, column) for column in levels[-1].unbind(1)], 1))
    at, found = torch.cat(levels), torch.cat(terms) / nats
    prior = prior_kl(x_0.double().cpu(), schedule.kept[-1]).flatten(1).sum(1) / nats
    last = torch.cat(decoder) / nats
    middle = (found * sizes).sum(1)
    total = prior + middle + last
    return BoundInBits(
        total.mean().item(),
        prior.mean().item(),
        middle.mean().item(),
        last.mean().item(),
        total.std().item() / math.sqrt(len(x_0)),
        at,
        found,
    )


def _log_difference(larger: Tensor, smaller: Tensor) -> Tensor:
    """Log of the difference of two exponentials."""
    return larger + torch.log(-torch.expm1((smaller - larger).clamp(max=-1e-30)))
