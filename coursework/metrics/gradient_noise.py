"""How noisy a gradient through a draw is: along the path of the draw, or by the score function."""

import torch
from jaxtyping import Float
from torch import Tensor

from coursework.conditionals import Conditional

ESTIMATORS = ("pathwise", "score function", "score function, baseline")


def gradient_draws(
    loc: Float[Tensor, " latent"],
    scale: Float[Tensor, " latent"],
    decoder: Conditional,
    x: Float[Tensor, " *event"],
    num_draws: int,
) -> dict[str, Float[Tensor, "draw parameter"]]:
    r"""Estimates of the gradient of E_q[log p(x|z)] for loc and scale of q = N(loc, diag scale²), one per draw.

    With z = loc + scale·eps and f = log p(x|z): `pathwise` is (∇f, ∇f·eps); `score function` is
    f·(eps, eps² − 1)/scale, in which f is not differentiated; with `baseline`, f less the mean f of the other draws,
    which leaves the mean as it is.

    Args:
        loc: of one image's posterior.
        scale: its standard deviations.
        decoder: z → p(x|z).
        x: the image.
        num_draws: at least 2.

    Raises:
        ValueError: fewer than 2 draws: one has no spread.

    Reference: Kingma and Welling, arXiv:1312.6114, section 2.2; Mohamed et al., arXiv:1906.10652.
    """
    if num_draws < 2:
        raise ValueError(f"num_draws = {num_draws}: give at least 2, one draw has no spread.")
    eps = torch.randn(num_draws, len(loc), dtype=loc.dtype)
    z = (loc + scale * eps).detach().requires_grad_()
    value = decoder(z).log_prob(x.expand(num_draws, *x.shape))
    slope = torch.autograd.grad(value.sum(), z)[0]
    score = torch.cat([eps / scale, (eps**2 - 1) / scale], 1)
    value = value.detach()[:, None]
    others = (value.sum() - value) / (num_draws - 1)
    paths = torch.cat([slope, slope * eps], 1)
    return dict(zip(ESTIMATORS, (paths, value * score, (value - others) * score), strict=True))


def total_variance(draws: Float[Tensor, "draw parameter"]) -> float:
    """Variance of one draw's gradient, added up over its entries: its expected squared distance from the mean."""
    return draws.double().var(0).sum().item()
