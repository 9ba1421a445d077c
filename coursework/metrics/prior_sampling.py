"""The naive estimate of log p(x): likelihoods averaged over draws from the prior; and how many draws it needs."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from coursework.conditionals import BernoulliDecoder

_AT_ONCE = 2000


@torch.no_grad()
def prior_estimates(
    decoder: BernoulliDecoder,
    prior: Distribution,
    x: Float[Tensor, "image *event"],
    numbers: Sequence[int],
) -> Float[Tensor, "number image"]:
    r"""Log (1/n)·Σ_j p(x|z_j) with z_j from the prior, for each n of `numbers`: the first n draws of one sequence.

    On average below log p(x) by Jensen's inequality. A draw is decoded once for all images.

    Args:
        decoder: z → Bernoulli pixels.
        prior: p(z).
        x: binary images.
        numbers: of draws, rising.

    Raises:
        ValueError: `numbers` do not rise from 1 or more.
    """
    _check(numbers)
    flat = x.flatten(1)
    parts, done = [], 0
    while done < numbers[-1]:
        logits = decoder.net(prior.sample((min(_AT_ONCE, numbers[-1] - done),))).flatten(1)
        parts.append((logits @ flat.T - torch.nn.functional.softplus(logits).sum(1, keepdim=True)).double())
        done += len(logits)
    return running_log_means(torch.cat(parts), numbers)


def gaussian_prior_estimates(
    x: Float[Tensor, "image latent"], noise: float, numbers: Sequence[int]
) -> Float[Tensor, "number image"]:
    """The same for x|z ~ N(z, noise² I) with z ~ N(0, I), whose evidence N(0, (1 + noise²) I) is known.

    Raises:
        ValueError: `numbers` do not rise from 1 or more.
    """
    _check(numbers)
    z = torch.randn(numbers[-1], x.shape[1], dtype=x.dtype)
    squares = z.square().sum(1)[:, None] - 2 * z @ x.T + x.square().sum(1)
    constant = -x.shape[1] * math.log(noise * math.sqrt(2 * math.pi))
    return running_log_means((constant - squares / (2 * noise**2)).double(), numbers)


def running_log_means(
    log_weights: Float[Tensor, "draw image"], numbers: Sequence[int]
) -> Float[Tensor, "number image"]:
    """Logarithm of the mean weight of the first n draws, for each n of `numbers`."""
    return torch.stack([log_weights[:n].logsumexp(0) - math.log(n) for n in numbers])


def needed_draws(shortfalls: Sequence[float], numbers: Sequence[int], tolerance: float) -> float:
    """The smallest number of draws from which on the mean shortfall stays within `tolerance`; infinite if none does.

    Between two numbers the crossing is interpolated, both axes logarithmic.

    >>> needed_draws([8.0, 2.0, 0.5], [1, 10, 100], 1.0) == 10**1.5
    True
    """
    inside = [value <= tolerance for value in shortfalls]
    first = next((place for place in range(len(inside)) if all(inside[place:])), None)
    if first is None:
        return math.inf
    if first == 0:
        return float(numbers[0])
    low, high = (math.log(max(shortfalls[place], 1e-12)) for place in (first, first - 1))
    share = (high - math.log(tolerance)) / (high - low)
    return float(10 ** (math.log10(numbers[first - 1]) + share * math.log10(numbers[first] / numbers[first - 1])))


def _check(numbers: Sequence[int]) -> None:
    if not numbers or numbers[0] < 1 or any(b <= a for a, b in pairwise(numbers)):
        raise ValueError(f"numbers = {list(numbers)}: give numbers of draws that rise from 1 or more.")
