"""Bounds and likelihood of held-out images under an auto-encoder, in nats per image, with their errors."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import Conditional, Encoder
from coursework.metrics.likelihood import evidence

_AT_ONCE = 100
"""Images whose posteriors are drawn from together."""


class Bound(NamedTuple):
    """Means over images, in nats: the evidence lower bound and its two parts, `elbo` = `log_likelihood` − `kl`."""

    elbo: float
    log_likelihood: float
    kl: float


class HeldOut(NamedTuple):
    """Minus log p(x), mean over images, in nats.

    Attributes:
        nll: the estimate; on average above the truth, by less the more draws there are.
        standard_error: of the draws, and of the images that got few draws: what another measurement of the same model
            on the same images would change.
        image_error: what other images of the same kind would change.
        per_image: log p(x) of the images that got all draws.
        effective_draws: median over these images.
    """

    nll: float
    standard_error: float
    image_error: float
    per_image: Float[Tensor, " image"]
    effective_draws: float


@torch.no_grad()
def bound(encoder: Encoder, decoder: Conditional, prior: Distribution, x: Float[Tensor, "image *event"]) -> Bound:
    """The evidence lower bound from one draw per image, its divergence in closed form."""
    likelihood = divergence = 0.0
    for part in x.split(1000):
        posterior = encoder(part)
        likelihood += decoder(posterior.sample()).log_prob(part).double().sum().item()
        divergence += torch.distributions.kl_divergence(posterior, prior).double().sum().item()
    return Bound((likelihood - divergence) / len(x), likelihood / len(x), divergence / len(x))


@torch.no_grad()
def held_out_nll(
    encoder: Encoder,
    decoder: Conditional,
    prior: Distribution,
    x: Float[Tensor, "image *event"],
    num_draws: int,
    *,
    num_images: int | None = None,
    base_draws: int = 50,
) -> HeldOut:
    r"""Minus the mean of log p(x), each by importance sampling with k draws of the encoder's posterior.

    With `num_images` below the number of images, all of them get `base_draws`, the first `num_images` also k, and the
    mean is that of all at few draws plus the mean difference of the first: images differ by tens of nats, the two
    estimates for one image by little (Heinrich, 2001: multilevel Monte Carlo, with two levels).

    Args:
        encoder: x → q(z|x).
        decoder: z → p(x|z).
        prior: p(z).
        x: images in the range of the likelihood.
        num_draws: k.
        num_images: images that get k draws; None for all.
        base_draws: draws that the other images get.

    Raises:
        ValueError: fewer than 2 draws, no images, or more of them than there are.

    Reference: Burda et al., arXiv:1509.00519, equation 8.
    """
    num_images = len(x) if num_images is None else num_images
    if min(num_draws, base_draws) < 2 or not 1 <= num_images <= len(x):
        raise ValueError(
            f"num_draws = {num_draws}, base_draws = {base_draws}, num_images = {num_images} of {len(x)}: give at "
            "least 2 draws, and some of the images."
        )
    fine, fine_error, effective = _estimates(encoder, decoder, prior, x[:num_images], num_draws)
    if num_images == len(x):
        mean, error, spread = fine.mean().item(), fine_error.square().sum().sqrt().item() / len(x), fine.std().item()
    else:
        coarse, coarse_error, _ = _estimates(encoder, decoder, prior, x, base_draws)
        gain = fine - coarse[:num_images]
        mean = (coarse.mean() + gain.mean()).item()
        others = coarse_error[num_images:].square().sum().item() / len(x) ** 2
        error = math.sqrt(gain.var().item() / num_images + others) if num_images > 1 else math.inf
        spread = coarse.std().item()
    return HeldOut(-mean, error, spread / math.sqrt(len(x)), fine.float(), effective.median().item())


def _estimates(
    encoder: Encoder, decoder: Conditional, prior: Distribution, x: Tensor, num_draws: int
) -> tuple[Tensor, Tensor, Tensor]:
    found = [evidence(encoder(part), decoder, prior, part, num_draws) for part in x.split(_AT_ONCE)]
    return (
        torch.cat([part.log_evidence for part in found]).cpu(),
        torch.cat([part.standard_error for part in found]).cpu(),
        torch.cat([part.effective_draws for part in found]).cpu(),
    )
