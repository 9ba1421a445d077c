r"""The angle between a von Mises–Fisher draw and its direction: its normaliser, mean, and quantiles, by quadrature.

On the unit sphere in d dimensions the angle θ has density e^{κ cos θ} sin^{d−2}θ / Z(κ) on 0…π. In θ this is smooth for
every d ≥ 2 and every κ, and after division by e^κ nothing overflows; Gauss–Legendre quadrature on a window about the
mode then gives Z and its derivatives to twelve digits, where Bessel functions of order 63 at arguments of a million
would need three expansions. All in double precision, with one number per vector: the cost is nothing beside a decoder.
"""

import functools
import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_NODES = 64
_REACH = 12.0
"""Half width of the window, in standard deviations of a Gaussian with the curvature at the mode."""
_GRID = 128
_NEWTON_STEPS = 3


@functools.cache
def _gauss_legendre() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes and weights on 0…1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return tuple((nodes + 1) / 2), tuple(weights / 2)


def _quadrature(like: Tensor) -> tuple[Tensor, Tensor]:
    nodes, weights = _gauss_legendre()
    return like.new_tensor(nodes), like.new_tensor(weights)


def _log_density(angle: Tensor, concentration: Tensor, dim: int) -> Tensor:
    """κ(cos θ − 1) + (d − 2)·log(sin θ), before normalisation."""
    out = -2 * concentration * (angle / 2).sin().square()
    return out if dim == 2 else out + (dim - 2) * angle.sin().log()


@torch.no_grad()
def _window(concentration: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """An interval of angles outside which nothing of weight is."""
    n, k = dim - 2, concentration
    cosine = 2 * k / (n + (n * n + 4 * k * k).sqrt())  # of the mode: κ sin²θ = (d − 2) cos θ
    mode = torch.atan2((n * cosine / k).sqrt(), cosine)
    reach = _REACH / (k * cosine + k / cosine).sqrt()
    return (mode - reach).clamp(min=0), (mode + reach).clamp(max=math.pi)


def log_normaliser(concentration: Float[Tensor, "*batch"], dim: int) -> Float[Tensor, "*batch"]:
    """The logarithm of Z(κ), less κ; its derivative in κ, by autograd, is E[cos θ] − 1.

    Args:
        concentration: κ > 0, in double precision.
        dim: d ≥ 2.
    """
    nodes, weights = _quadrature(concentration)
    low, high = _window(concentration, dim)
    width = (high - low).unsqueeze(-1)
    angle = low.unsqueeze(-1) + width * nodes
    return torch.logsumexp(_log_density(angle, concentration.unsqueeze(-1), dim) + (width * weights).log(), -1)


def mean_cosine_minus_one(concentration: Float[Tensor, "*batch"], dim: int) -> Float[Tensor, "*batch"]:
    """E[cos θ] − 1, the ratio of Bessel functions less one, to full relative precision."""
    nodes, weights = _quadrature(concentration)
    low, high = _window(concentration, dim)
    width = (high - low).unsqueeze(-1)
    angle = low.unsqueeze(-1) + width * nodes
    share = torch.softmax(_log_density(angle, concentration.unsqueeze(-1), dim) + (width * weights).log(), -1)
    return (share * (-2 * (angle / 2).sin().square())).sum(-1)


def _cumulative(angle: Tensor, low: Tensor, concentration: Tensor, log_z: Tensor, dim: int) -> Tensor:
    nodes, weights = _quadrature(concentration)
    width = (angle - low).unsqueeze(-1)
    inner = low.unsqueeze(-1) + width * nodes
    density = (_log_density(inner, concentration.unsqueeze(-1), dim) - log_z.unsqueeze(-1)).exp()
    return (density * weights * width).sum(-1)


def quantile(u: Float[Tensor, "*shape"], concentration: Float[Tensor, "*shape"], dim: int) -> Float[Tensor, "*shape"]:
    r"""The angle below which lies the share u of the law, differentiable in κ.

    A table is inverted, Newton's method polishes, and its last step is taken with the gradient on:
    θ − (F(θ; κ) − u)/f(θ) has the value θ and the derivative −(∂F/∂κ)/f, which is that of the quantile (implicit
    reparameterisation, Figurnov et al., arXiv:1805.08498). Nothing is rejected, so equal noise gives draws that move
    smoothly with κ.

    Args:
        u: uniform noise, in double precision.
        concentration: κ > 0.
        dim: d ≥ 2.
    """
    low, high = _window(concentration, dim)
    with torch.no_grad():
        fixed_z = log_normaliser(concentration, dim)
        step = (high - low) / _GRID
        grid = low.unsqueeze(-1) + step.unsqueeze(-1) * torch.arange(_GRID + 1, device=u.device, dtype=u.dtype)
        density = (_log_density(grid, concentration.unsqueeze(-1), dim) - fixed_z.unsqueeze(-1)).exp()
        table = torch.cumsum((density[..., 1:] + density[..., :-1]) / 2, -1)
        table = torch.cat([torch.zeros_like(table[..., :1]), table / table[..., -1:]], -1)
        cell = torch.searchsorted(table, u.unsqueeze(-1)).clamp(1, _GRID)
        left, right = table.gather(-1, cell - 1), table.gather(-1, cell)
        within = ((u.unsqueeze(-1) - left) / (right - left).clamp(min=torch.finfo(u.dtype).tiny)).clamp(0, 1)
        power = 1 / (dim - 1)  # at either pole the distribution starts like a power of the angle
        within = torch.where(cell == 1, within**power, within)
        within = torch.where(cell == _GRID, 1 - (1 - within) ** power, within)
        angle = low + step * (cell - 1 + within).squeeze(-1)
        edge = 1e-9 * (high - low)
        for _ in range(_NEWTON_STEPS):
            height = (_log_density(angle, concentration, dim) - fixed_z).exp()
            move = (_cumulative(angle, low, concentration, fixed_z, dim) - u) / height
            angle = angle - move.clamp(-step, step)
            angle = torch.maximum(torch.minimum(angle, high - edge), low + edge)
        height = (_log_density(angle, concentration, dim) - fixed_z).exp()
    log_z = log_normaliser(concentration, dim)
    polished = (_cumulative(angle, low, concentration, log_z, dim) - u) / height
    return angle - torch.where(polished.detach().abs() < step, polished, 0.0)
