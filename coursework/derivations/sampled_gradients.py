"""Gradients through a draw, along its path or by the score function, and their noise; what a Gaussian can become."""

from collections.abc import Iterator

import numpy as np
import scipy.optimize
import scipy.stats
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named

x, z, eps = sp.symbols("x z epsilon", real=True)
loc = sp.Symbol("mu", real=True)
scale = sp.Symbol("sigma", positive=True)


def pathwise_gradients(
    loc: Float[Tensor, ""], scale: Float[Tensor, ""], eps: Float[Tensor, " draw"]
) -> Float[Tensor, " draw"]:
    """Slopes of z² for loc, one per draw, through z = loc + scale·eps."""
    return 2 * (loc + scale * eps)


def score_gradients(
    loc: Float[Tensor, ""], scale: Float[Tensor, ""], eps: Float[Tensor, " draw"]
) -> Float[Tensor, " draw"]:
    """z² times the slope of log q(z) for loc, one per draw."""
    return (loc + scale * eps) ** 2 * eps / scale


def _logistic(value: sp.Expr) -> Named:
    return Named(r"\sigma", 1 / (1 + sp.exp(-value)), value)


def _normal(value: sp.Expr, loc: sp.Expr, scale: sp.Expr) -> sp.Expr:
    return sp.exp(-((value - loc) ** 2) / (2 * scale**2)) / (sp.sqrt(2 * sp.pi) * scale)


def _mean(integrand: sp.Expr, variable: sp.Symbol) -> sp.Integral:
    return sp.Integral(integrand, (variable, -sp.oo, sp.oo))


_q = Named("q", _normal(z, loc, scale), z)
_phi = Named(r"\varphi", _normal(eps, sp.Integer(0), sp.Integer(1)), eps)


@derivation(
    "two-gradients",
    title="One gradient, two ways to draw it",
    of=r"\frac{\partial}{\partial \mu} \mathbb{E}_q[z^2]",
    arguments=(loc,),
    oracles={"autograd through Gauss–Hermite nodes": lambda m: _slope_by_autograd(m)},
    instances=lambda rng: (rng.standard_normal(),),
)
def two_gradients() -> Iterator[Step]:
    """The objective z², for which all integrals are known."""
    yield Step(sp.Derivative(_mean(_q * z**2, z), loc), because="the mean of an objective, here $z^2$, over $q$")
    yield Step(
        _mean(_q * z**2 * (z - loc) / scale**2, z),
        because=r"the slope taken inside, on the density (score function): $\partial q / \partial \mu = "
        r"q\, \partial \log q / \partial \mu$. The objective itself is not differentiated",
    )
    yield Step(
        _mean(_phi * 2 * (loc + scale * eps), eps),
        because=r"the slope taken through $z = \mu + \sigma \varepsilon$ (pathwise): $\varepsilon$ has a law without "
        "parameters, and the chain rule reaches them by way of the objective's slope",
    )
    yield Step(2 * loc, because="first moment: both are right on average")


@derivation(
    "pathwise-variance",
    title="Variance of the pathwise gradient",
    of=r"\operatorname{Var}(2 z)",
    uses=("two-gradients",),
    arguments=(loc, scale),
    oracles={"Gauss–Hermite quadrature of the code": lambda m, s: _variance(pathwise_gradients, m, s)},
    instances=lambda rng: (rng.standard_normal(), np.exp(rng.standard_normal() / 2)),
)
def pathwise_variance() -> Iterator[Step]:
    """One draw."""
    yield Step(
        _mean(_phi * (2 * (loc + scale * eps)) ** 2, eps) - (2 * loc) ** 2, because="mean square less squared mean"
    )
    yield Step(4 * scale**2, because="second moment: a narrow posterior leaves no noise")


@derivation(
    "score-variance",
    title="Variance of the score-function gradient",
    of=r"\operatorname{Var}(z^2 (z - \mu) / \sigma^2)",
    uses=("two-gradients",),
    arguments=(loc, scale),
    oracles={"Gauss–Hermite quadrature of the code": lambda m, s: _variance(score_gradients, m, s)},
    instances=lambda rng: (rng.standard_normal(), np.exp(rng.standard_normal() / 2)),
)
def score_variance() -> Iterator[Step]:
    """One draw of the same objective."""
    yield Step(
        _mean(_phi * ((loc + scale * eps) ** 2 * eps / scale) ** 2, eps) - (2 * loc) ** 2,
        because="mean square less squared mean",
    )
    yield Step(
        loc**4 / scale**2 + 14 * loc**2 + 15 * scale**2,
        because="moments of a Gaussian up to the sixth: a narrow posterior makes it larger, without bound",
    )


def _variance(gradients: object, loc: Tensor, scale: Tensor) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    mass = torch.from_numpy(weights / weights.sum())
    values = gradients(loc, scale, torch.from_numpy(nodes))  # type: ignore[operator]
    return float(mass @ values**2 - (mass @ values) ** 2)


def _slope_by_autograd(loc: Tensor) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    mass, at = torch.from_numpy(weights / weights.sum()), loc.clone().requires_grad_()
    draws = at + 0.7 * torch.from_numpy(nodes)
    return float(torch.autograd.grad(mass @ draws**2, at)[0])


@derivation(
    "gaussian-to-any",
    title="A Gaussian made into any continuous law",
    of=r"\Pr\bigl(F^{-1}(\Phi(z)) \leq x\bigr)",
    arguments=(x,),
    oracles={"scipy's laws, the edge found by a root search": lambda at: _share_below(at)},
    instances=lambda rng: (rng.standard_normal(),),
)
def gaussian_to_any() -> Iterator[Step]:
    """Here F is the logistic law's distribution function, which is σ; for any other that rises the same."""
    edge = sp.sqrt(2) * sp.erfinv(2 * _logistic(x) - 1)
    density = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    yield Step(
        sp.Integral(density, (z, -sp.oo, edge)),
        because=r"$F^{-1}(\Phi(z)) \leq x$ just when $z \leq \Phi^{-1}(F(x))$, both functions rising",
    )
    yield Step(_logistic(x), because=r"$\Phi(\Phi^{-1}(F(x))) = F(x)$: the law that was wanted")


def _share_below(at: Tensor) -> float:
    def made(z: float) -> float:
        return scipy.stats.logistic.ppf(scipy.stats.norm.cdf(z)) - float(at)

    return scipy.stats.norm.cdf(scipy.optimize.brentq(made, -8, 8, xtol=1e-14))
