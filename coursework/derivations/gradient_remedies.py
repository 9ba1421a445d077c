"""What three remedies do to a gradient: He's initialisation, residual connections, clipping (question D10)."""

from collections.abc import Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named

u = sp.Symbol("u", real=True)
scale, limit, norm = sp.symbols("s c v", positive=True)


def rectified_square(scale: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Mean square of a rectified normal value with mean 0 and this standard deviation."""
    return scale**2 / 2


def rectified_square_by_quadrature(scale: Float[Tensor, ""]) -> float:
    """The same by Gauss–Hermite quadrature, whose nodes lie symmetrically about zero."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    return float((weights / weights.sum()) @ np.maximum(float(scale) * nodes, 0) ** 2)


@derivation(
    "he-variance",
    title="He's initialisation",
    of=r"\operatorname{E}[\varrho(a)^2]",
    implements=rectified_square,
    arguments=(scale,),
    oracles={"Gauss–Hermite quadrature": rectified_square_by_quadrature},
)
def he_variance() -> Iterator[Step]:
    """Half of a layer's second moment gets through ReLU."""
    density = Named(r"\varphi", sp.exp(-(u**2) / (2 * scale**2)) / sp.sqrt(2 * sp.pi * scale**2), u)
    yield Step(
        sp.Integral(u**2 * density, (u, 0, sp.oo)),
        because="$a$ normal, of variance $s^2$; nothing below zero",
    )
    yield Step(scale**2 / 2, because="half of the variance")


@derivation(
    "residual-product",
    title="Two residual layers",
    of=r"J",
)
def residual_product() -> Iterator[Step]:
    """Jacobian of x + f(x), twice, for 2 × 2 Jacobians A and B of the layers."""
    first, second = (
        sp.Matrix(2, 2, sp.symbols(f"{name}_11 {name}_12 {name}_21 {name}_22", real=True)) for name in "ab"
    )
    one = sp.eye(2)
    yield Step((one + second) * (one + first), because="chain rule, $x + f(x)$ has the Jacobian $I + A$")
    yield Step(one + first + second + second * first, because="multiplied out: one way back passes through no layer")


def norm_after_clipping(v: Float[Tensor, ""], c: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """What torch's clipping to norm c makes of a gradient of norm v."""
    parameter = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    parameter.grad = v * torch.tensor([0.6, 0.8], dtype=torch.float64)
    torch.nn.utils.clip_grad_norm_([parameter], float(c))
    return parameter.grad.norm()


@derivation(
    "clipped-norm",
    title="Norm of a clipped gradient",
    of=r"\lVert \tilde g \rVert",
    implements=norm_after_clipping,
    arguments=(norm, limit),
    oracles={"the smaller of the two": torch.minimum},
    tolerance=1e-5,
)
def clipped_norm() -> Iterator[Step]:
    """The gradient times min(1, c / v), with v its norm."""
    smaller = (limit + norm - sp.Abs(limit - norm)) / 2
    yield Step(norm * (1 + limit / norm - sp.Abs(1 - limit / norm)) / 2, because="$v \\min(1, c/v)$, written out")
    yield Step(smaller, because="$\\min(v, c)$: the direction stays, the length is at most $c$")
