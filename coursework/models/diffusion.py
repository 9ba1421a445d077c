"""Diffusion with Gaussian noise: schedules and the laws of the noising chain, as pure functions of tensors.

The chain adds noise in T steps, q(x_t|x_{t−1}) = N(√α_t x_{t−1}, β_t) with α_t = 1 − β_t, and ᾱ_t is the product of the
α up to t. Arrays over time hold step t at place t − 1.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def linear_betas(num_steps: int, first: float = 1e-4, last: float = 0.02) -> Float[Tensor, " step"]:
    """Variances β_1 … β_T that rise along a straight line, in double precision.

    Raises:
        ValueError: no step, or a variance outside (0, 1).

    Reference: Ho et al., arXiv:2006.11239, section 4.

    >>> linear_betas(3, 0.1, 0.3).tolist()
    [0.1, 0.2, 0.3]
    """
    if num_steps < 1 or not (0 < first < 1 and 0 < last < 1):
        raise ValueError(f"num_steps = {num_steps}, first = {first}, last = {last}: steps from 1, variances in (0, 1).")
    return torch.linspace(first, last, num_steps, dtype=torch.float64)


def cosine_betas(num_steps: int, offset: float = 0.008, largest: float = 0.999) -> Float[Tensor, " step"]:
    r"""Variances for which ᾱ_t falls as :math:`\cos^2(\frac{t/T + s}{1 + s} \frac{\pi}{2})`, none above `largest`.

    Args:
        num_steps: T.
        offset: s, which keeps the first steps from being too small.
        largest: the formula ends at β_T = 1, which would leave nothing of x_0; this caps it.

    Raises:
        ValueError: no step, or `largest` outside (0, 1).

    Reference: Nichol and Dhariwal, arXiv:2102.09672, section 3.2.
    """
    if num_steps < 1 or not 0 < largest < 1:
        raise ValueError(f"num_steps = {num_steps}, largest = {largest}: steps from 1, largest in (0, 1).")
    times = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    kept = torch.cos((times + offset) / (1 + offset) * math.pi / 2).square()
    return (1 - kept[1:] / kept[:-1]).clamp(max=largest)


def alpha_bars(betas: Float[Tensor, " step"]) -> Float[Tensor, " step"]:
    """ᾱ_t, the share of the signal's variance that t steps leave: the running product of 1 − β."""
    return torch.cumprod(1 - betas, 0)


def q_sample(
    x_0: Float[Tensor, "*shape"], alpha_bar: Float[Tensor, "*#shape"], eps: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """x_t drawn in one go from q(x_t|x_0): √ᾱ_t x_0 + √(1 − ᾱ_t) eps, with eps standard normal."""
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps


def posterior_mean(
    x_0: Float[Tensor, "*shape"],
    x_t: Float[Tensor, "*shape"],
    alpha: Float[Tensor, "*#shape"],
    alpha_bar_before: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    """Mean of q(x_{t−1}|x_t, x_0): (√ᾱ_{t−1} β_t x_0 + √α_t (1 − ᾱ_{t−1}) x_t) / (1 − ᾱ_t).

    Args:
        x_0: data.
        x_t: the data with t steps of noise.
        alpha: α_t.
        alpha_bar_before: ᾱ_{t−1}, which is 1 for t = 1.

    Reference: arXiv:2006.11239, equation 7; derived here as `ddpm-posterior`.
    """
    signal = alpha_bar_before.sqrt() * (1 - alpha) * x_0
    return (signal + alpha.sqrt() * (1 - alpha_bar_before) * x_t) / (1 - alpha * alpha_bar_before)


def posterior_variance(alpha: Float[Tensor, "*shape"], alpha_bar_before: Float[Tensor, "*shape"]) -> Tensor:
    """Variance of q(x_{t−1}|x_t, x_0), the same in every coordinate: β_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t)."""
    return (1 - alpha) * (1 - alpha_bar_before) / (1 - alpha * alpha_bar_before)


def prior_kl(x_0: Float[Tensor, "*shape"], alpha_bar: Float[Tensor, "*#shape"]) -> Float[Tensor, "*shape"]:
    """KL(q(x_t|x_0)‖N(0, 1)) per coordinate, in nats: (ᾱ_t (x_0² − 1) − log(1 − ᾱ_t)) / 2."""
    return (alpha_bar * (x_0.square() - 1) - torch.log1p(-alpha_bar)) / 2
