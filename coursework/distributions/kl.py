"""Kullback–Leibler divergence, closed form or, asked for by name, an estimate with its standard error."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence


class Estimate(NamedTuple):
    """A Monte Carlo mean and the standard error of it."""

    mean: Float[Tensor, "*batch"]
    standard_error: Float[Tensor, "*batch"]


def kl(q: Distribution, p: Distribution, *, num_samples: int | None = None) -> Float[Tensor, "*batch"]:
    r"""KL(q‖p) = E_q[log q(z) − log p(z)] per batch element, summed over event dimensions.

    Args:
        q: the law that the mean is taken over.
        p: a law on the same event space.
        num_samples: None for the closed form; k for the mean over k reparameterised draws of q, unbiased and
            differentiable.

    Raises:
        NotImplementedError: no closed form is registered for this pair and no `num_samples` is given.
        ValueError: `num_samples` is below 1.
    """
    if num_samples is None:
        return kl_divergence(q, p)
    return _log_ratios(q, p, num_samples).mean(0)


def kl_estimate(q: Distribution, p: Distribution, num_samples: int) -> Estimate:
    r"""The mean of log q(z) − log p(z) over draws of q, and its standard error, per batch element.

    Args:
        q: the law that the mean is taken over.
        p: a law on the same event space.
        num_samples: draws, at least 2.

    Raises:
        ValueError: `num_samples` is below 2: one draw has no spread.
    """
    if num_samples < 2:
        raise ValueError(f"num_samples = {num_samples}: give at least 2, one draw has no standard error.")
    terms = _log_ratios(q, p, num_samples)
    return Estimate(terms.mean(0), terms.std(0) / num_samples**0.5)


def _log_ratios(q: Distribution, p: Distribution, num_samples: int) -> Float[Tensor, "draw *batch"]:
    if num_samples < 1:
        raise ValueError(f"num_samples = {num_samples}: give at least 1, or None for the closed form.")
    z = q.rsample((num_samples,))
    return q.log_prob(z) - p.log_prob(z)
