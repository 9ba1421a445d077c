"""KL divergence between Gaussian vectors: full covariances from the integral, independent coordinates as a sum."""

import itertools
from collections.abc import Iterator

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from numpy.polynomial.hermite_e import hermegauss
from scipy.stats import multivariate_normal
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from coursework.derivations.core import Step, derivation
from coursework.derivations.kl import kl_by_quadrature
from coursework.derivations.naming import Named

y = sp.Symbol("y", real=True)
u_1, u_2, slant = sp.symbols("u_1 u_2 b", real=True)
first, second = sp.symbols("a c", positive=True)
gap_1, gap_2, slant_q, slant_p = sp.symbols("delta_1 delta_2 b_q b_p", real=True)
first_q, second_q, first_p, second_p = sp.symbols("a_q c_q a_p c_p", positive=True)


def kl_from_standard(*numbers: Float[Tensor, ""]) -> Float[Tensor, ""]:
    r"""KL(N(u, A Aᵀ)‖N(0, I)) by torch's closed form; numbers u₁, u₂, then A's a, b, c.

    A is lower triangular with a and c on its diagonal and b below.
    """
    zero, one = torch.zeros(2, dtype=numbers[0].dtype), torch.eye(2, dtype=numbers[0].dtype)
    q = MultivariateNormal(torch.stack(numbers[:2]), scale_tril=_root(*numbers[2:]))
    return kl_divergence(q, MultivariateNormal(zero, one))


def kl_two_coordinates(*numbers: Float[Tensor, ""]) -> Float[Tensor, ""]:
    r"""KL(N(δ, L_q L_qᵀ)‖N(0, L_p L_pᵀ)) by torch's closed form; numbers δ₁, δ₂, then a, b, c of L_q and of L_p."""
    gap, roots = torch.stack(numbers[:2]), [_root(*numbers[2:5]), _root(*numbers[5:])]
    q, p = (MultivariateNormal(loc, scale_tril=root) for loc, root in zip((gap, 0 * gap), roots, strict=True))
    return kl_divergence(q, p)


def kl_two_by_quadrature(*numbers: Float[Tensor, ""]) -> float:
    """The same as the integral that defines it, by Gauss–Hermite quadrature over scipy's densities.

    The integrand is a quadratic under q, for which few nodes are exact.
    """
    gap = np.array([float(number) for number in numbers[:2]])
    root_q = _root(*numbers[2:5]).numpy()
    root_p = _root(*numbers[5:]).numpy() if len(numbers) > 5 else np.eye(2)
    q = multivariate_normal(gap, root_q @ root_q.T)
    p = multivariate_normal(np.zeros(2), root_p @ root_p.T)
    nodes, weights = hermegauss(6)
    total = 0.0
    for one, two in itertools.product(range(6), repeat=2):
        point = gap + root_q @ nodes[[one, two]]
        total += weights[one] * weights[two] * (q.logpdf(point) - p.logpdf(point))
    return total / (2 * np.pi)


def kl_diagonal(loc: Float[Tensor, " latent"], scale: Float[Tensor, " latent"]) -> Float[Tensor, ""]:
    """KL(N(loc, diag scale²)‖N(0, I)), by torch's closed form."""
    q = Independent(Normal(loc, scale), 1)
    return kl_divergence(q, Independent(Normal(torch.zeros_like(loc), torch.ones_like(scale)), 1))


def _root(first: Tensor, slant: Tensor, second: Tensor) -> Tensor:
    return torch.stack([torch.stack([first, torch.zeros_like(first)]), torch.stack([slant, second])])


def _square_under(loc: sp.Expr, variance: sp.Expr, of: sp.Expr = y) -> sp.Integral:
    """∫ of² N(y; loc, variance) dy."""
    density = sp.exp(-((y - loc) ** 2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)
    return sp.Integral(density * of**2, (y, -sp.oo, sp.oo))


@derivation(
    "kl-from-standard",
    title="KL divergence of a Gaussian vector from N(0, I)",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    uses=("kl-normal",),
    implements=kl_from_standard,
    arguments=(u_1, u_2, first, slant, second),
    oracles={"Gauss–Hermite quadrature of scipy's densities": kl_two_by_quadrature},
)
def kl_from_standard_steps() -> Iterator[Step]:
    """Two coordinates, q = N(u, A Aᵀ) with A lower triangular (a and c on its diagonal, b below), p = N(0, I)."""
    one = sp.Integer(1)
    yield Step(
        -sp.log(first * second)
        - _square_under(sp.Integer(0), one)
        + (_square_under(u_1, first**2) + _square_under(u_2, slant**2 + second**2)) / 2,
        because=r"definition, $\int q\, (\log q - \log p)$ at $y = u + A \varepsilon$: $\log q = -\log 2\pi - "
        r"\log \det A - \tfrac12 \lVert \varepsilon \rVert^2$ and $\log p = -\log 2\pi - "
        r"\tfrac12 \lVert y \rVert^2$. Each square is a mean over one coordinate: twice "
        r"$\varepsilon \sim N(0, 1)$, then $y_1 \sim N(u_1, a^2)$ and "
        r"$y_2 \sim N(u_2, b^2 + c^2)$",
    )
    yield Step(
        -sp.log(first * second)
        - 1
        + (_square_under(u_1, first**2, y - u_1) + u_1**2 + _square_under(u_2, slant**2 + second**2, y - u_2) + u_2**2)
        / 2,
        because="mean square about zero: about the mean, plus the mean squared",
    )
    yield Step(
        -sp.log(first * second) + (u_1**2 + u_2**2 + first**2 + slant**2 + second**2 - 2) / 2,
        because=r"variances: $\tfrac12 (\lVert u \rVert^2 + \lVert A \rVert^2 - 2) - \log \det A$",
    )


@derivation(
    "kl-multivariate",
    title="KL divergence of two Gaussian vectors",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    uses=("kl-from-standard",),
    implements=kl_two_coordinates,
    arguments=(gap_1, gap_2, first_q, slant_q, second_q, first_p, slant_p, second_p),
    oracles={"Gauss–Hermite quadrature of scipy's densities": kl_two_by_quadrature},
)
def kl_multivariate() -> Iterator[Step]:
    """Two coordinates, covariances Σ = L Lᵀ with L lower triangular, δ = μ_q − μ_p."""
    root_q = sp.Matrix([[first_q, 0], [slant_q, second_q]])
    root_p = sp.Matrix([[first_p, 0], [slant_p, second_p]])
    gap = sp.Matrix([gap_1, gap_2])
    shift, shape = root_p.inv() * gap, root_p.inv() * root_q
    covariance_q, covariance_p = root_q * root_q.T, root_p * root_p.T
    yield Step(
        -sp.log(shape.det()) + (_square(shift) + _square(shape) - 2) / 2,
        because=r"in the coordinates $L_p^{-1} (x - \mu_p)$ the second law is $N(0, I)$ and the first has "
        r"$u = L_p^{-1} \delta$, $A = L_p^{-1} L_q$; a change of coordinates leaves the divergence as it is",
    )
    trace = Named(r"\operatorname{tr}(\Sigma_p^{-1} \Sigma_q)", (covariance_p.inv() * covariance_q).trace())
    distance = Named(r"\delta^\top \Sigma_p^{-1} \delta", (gap.T * covariance_p.inv() * gap)[0])
    det_p, det_q = Named(r"\det \Sigma_p", covariance_p.det()), Named(r"\det \Sigma_q", covariance_q.det())
    yield Step(
        (trace + distance - 2 + sp.log(det_p / det_q)) / 2,
        because=r"$\lVert L_p^{-1} L_q \rVert^2 = \operatorname{tr}(\Sigma_p^{-1} \Sigma_q)$, likewise for the gap, "
        r"and $\det \Sigma = (\det L)^2$: for any number $d$ of coordinates the same with $d$ for $2$",
    )


def _square(entries: sp.Matrix) -> sp.Expr:
    return sum(entry**2 for entry in entries)


_DIM = sp.Symbol("d", integer=True, positive=True)
_k = sp.Symbol("k", integer=True, nonnegative=True)
_loc = sp.IndexedBase(sp.Symbol("mu", real=True), shape=(_DIM,))
_scale = sp.IndexedBase(sp.Symbol("sigma", positive=True), shape=(_DIM,))


@derivation(
    "kl-diagonal",
    title="KL divergence of independent coordinates from N(0, I)",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    uses=("kl-normal",),
    implements=kl_diagonal,
    arguments=(_loc, _scale),
    oracles={"coordinates added up, each by quadrature": lambda loc, scale: diagonal_by_quadrature(loc, scale)},
    instances=lambda rng: (rng.standard_normal(3), np.exp(rng.standard_normal(3) / 2)),
)
def kl_diagonal_steps() -> Iterator[Step]:
    """The regularisation term of an auto-encoder."""
    over = (_k, 0, _DIM - 1)
    yield Step(
        sp.Sum(-sp.log(_scale[_k]) + (_scale[_k] ** 2 + _loc[_k] ** 2) / 2 - sp.Rational(1, 2), over),
        because="densities of independent coordinates multiply, their logarithms add: one univariate divergence each",
    )
    yield Step(
        sp.Sum(_loc[_k] ** 2 + _scale[_k] ** 2 - 1 - sp.log(_scale[_k] ** 2), over) / 2,
        because="one half taken out, the logarithm's factor taken in",
    )


def diagonal_by_quadrature(loc: Float[Tensor, " latent"], scale: Float[Tensor, " latent"]) -> float:
    """The divergence of independent coordinates from N(0, I), each an integral of its own."""
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    return sum(kl_by_quadrature(m, s, zero, one) for m, s in zip(loc, scale, strict=True))
