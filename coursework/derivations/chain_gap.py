"""Evidence, bound and divergence in closed form on a Gaussian chain of two steps (question D9)."""

from collections.abc import Callable, Iterator
from typing import Any

import sympy as sp

from coursework.derivations.core import Step, derivation
from coursework.derivations.gaussian_chain import Chain
from coursework.derivations.naming import Named
from coursework.derivations.slips import Claim, slip

x_0, a_1, a_2, b_1, b_2 = sp.symbols("x_0 a_1 a_2 b_1 b_2", real=True)
beta_1, beta_2, v_1, v_2 = sp.symbols("beta_1 beta_2 v_1 v_2", positive=True)
_means = {1: a_1 * x_0, 2: a_2 * a_1 * x_0}
_covariances = sp.Matrix([[beta_1, a_2 * beta_1], [a_2 * beta_1, a_2**2 * beta_1 + beta_2]])
_HALF = sp.Rational(1, 2)


def _mean_log_normal(value: tuple[sp.Expr | int, sp.Expr | int, sp.Expr | int], variance: sp.Expr) -> sp.Expr:
    """E_q of the log density of N(0, variance) at c + d·x_1 + e·x_2, given (c, d, e)."""
    c, d, e = value
    direction = sp.Matrix([d, e])
    mean = c + d * _means[1] + e * _means[2]
    spread = (direction.T * _covariances * direction)[0]
    return -sp.log(2 * sp.pi * variance) / 2 - (mean**2 + spread) / (2 * variance)


def _bound(of_x_1: sp.Expr) -> sp.Expr:
    """The bound, given E_q of the log density that the model has for x_1."""
    return (
        Named("R", _mean_log_normal((x_0, -b_1, 0), v_1))
        + of_x_1
        + Named("A", _mean_log_normal((0, 0, 1), sp.Integer(1)))
        + Named("H", 1 + sp.log(2 * sp.pi * beta_1) / 2 + sp.log(2 * sp.pi * beta_2) / 2)
    )


_GIVEN = Named("C", _mean_log_normal((0, 1, -b_2), v_2))
_ALONE = Named(r"C'", _mean_log_normal((0, 1, 0), v_2 + b_2**2))


def _chain_divergence() -> sp.Expr:
    """KL(q(x_1, x_2|x_0)‖p(x_1, x_2|x_0)), two Gaussians in the plane, by their means and covariances."""
    precision = sp.Matrix([[1 / v_2 + b_1**2 / v_1, -b_2 / v_2], [-b_2 / v_2, 1 + b_2**2 / v_2]])
    determinant = sp.together(sp.expand(precision.det()))
    mean = sp.Matrix([precision[1, 1], -precision[0, 1]]) / determinant * b_1 * x_0 / v_1
    gap = sp.Matrix([_means[1], _means[2]]) - mean
    distance = (gap.T * precision * gap)[0]
    return (
        (precision * _covariances).trace() + distance - 2 - sp.log(determinant) - sp.log(beta_1) - sp.log(beta_2)
    ) / 2


def chain_evidence() -> sp.Expr:
    """Log p(x_0) of the chain: a Gaussian, its variance carried through two linear steps."""
    variance = v_1 + b_1**2 * (v_2 + b_2**2)
    return -sp.log(2 * sp.pi * variance) / 2 - x_0**2 / (2 * variance)


def _terms() -> sp.Expr:
    """The bound as prior term, denoising term and reconstruction term, each a closed form."""
    spread = _covariances[1, 1]
    slope, left = _covariances[0, 1] / spread, beta_1 * beta_2 / spread
    gap = (_means[1] - b_2 * _means[2]) ** 2 + (slope - b_2) ** 2 * spread
    prior = (_means[2] ** 2 + spread - 1 - sp.log(spread)) / 2
    denoising = (sp.log(v_2 / left) + (left + gap) / v_2 - 1) / 2
    return Named("R", _mean_log_normal((x_0, -b_1, 0), v_1)) - Named("K_2", prior) - Named("K_1", denoising)


def _of_chain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value, *parameters: function(Chain(*map(float, parameters)), float(value))


@derivation(
    "chain-gap",
    title="Evidence, bound and divergence on a Gaussian chain",
    of=r"\log p(x_0)",
    uses=("elbo-gap", "ddpm-three-terms", "ddpm-posterior"),
    implements=Chain.log_evidence,
    arguments=(x_0, a_1, a_2, beta_1, beta_2, b_1, b_2, v_1, v_2),
    calling=_of_chain,
    oracles={
        "quadrature of the bound plus the divergence of two normal laws": lambda c, x: c.bound(x) + c.divergence(x)
    },
    instances=lambda rng: (
        *map(float, rng.standard_normal(3)),
        *map(float, rng.uniform(0.2, 2, 2)),
        *map(float, rng.standard_normal(2)),
        *map(float, rng.uniform(0.2, 2, 2)),
    ),
)
def chain_gap() -> Iterator[Step]:
    """x_2 ~ N(0, 1), x_1 ~ N(b_2 x_2, v_2), x_0 ~ N(b_1 x_1, v_1); q: x_1 ~ N(a_1 x_0, β_1), x_2 ~ N(a_2 x_1, β_2)."""
    yield Step(
        chain_evidence(),
        because=r"$p(x_2) = \mathcal N(0, 1)$, $p(x_1 \mid x_2) = \mathcal N(b_2 x_2, v_2)$, "
        r"$p(x_0 \mid x_1) = \mathcal N(b_1 x_1, v_1)$: variances add up along the chain",
    )
    yield Step(
        _bound(_GIVEN) + Named("D", _chain_divergence()),
        because=r"the bound, $R + C + A + H$, from the moments of $q(x_1 \mid x_0) = \mathcal N(a_1 x_0, \beta_1)$ and "
        r"$q(x_2 \mid x_1) = \mathcal N(a_2 x_1, \beta_2)$; and the divergence $D$ from the exact posterior",
    )
    yield Step(
        _terms() + Named("D", _chain_divergence()),
        because="the bound in three terms: reconstruction $R$, prior term $K_2$ and denoising term $K_1$, the last two "
        "divergences of Gaussians with the posterior $q(x_1 \\mid x_2, x_0)$ of the noising step",
    )


@slip(
    "ddpm-unconditional",
    title="Diffusion bound with p(x_{t−1})",
    says="The reverse step stands in the bound without its condition, as p(x_{t−1}) for p(x_{t−1} given x_t).",
    source="question D9",
    derivation="chain-gap",
)
def ddpm_unconditional() -> Claim:
    """Evidence minus divergence, on the Gaussian chain."""
    return Claim(chain_evidence() - _chain_divergence(), wrong=_bound(_ALONE), right=_bound(_GIVEN))
