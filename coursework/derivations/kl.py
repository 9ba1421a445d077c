"""KL divergence between two univariate Gaussians, from the integral; and how it has been misprinted."""

import itertools
import math
from collections.abc import Iterator

import scipy.integrate
import scipy.stats
import sympy as sp
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.derivations.slips import Claim, slip

x = sp.Symbol("x", real=True)
loc_q, loc_p = sp.symbols("mu_q mu_p", real=True)
scale_q, scale_p = sp.symbols("sigma_q sigma_p", positive=True)


def kl_normal_normal(
    loc_q: Float[Tensor, "*batch"],
    scale_q: Float[Tensor, "*batch"],
    loc_p: Float[Tensor, "*batch"],
    scale_p: Float[Tensor, "*batch"],
) -> Float[Tensor, "*batch"]:
    r"""KL(N(loc_q, scale_q²)‖N(loc_p, scale_p²)) per element, by torch's registered closed form."""
    return kl_divergence(Normal(loc_q, scale_q), Normal(loc_p, scale_p))


def kl_by_quadrature(
    loc_q: Float[Tensor, ""], scale_q: Float[Tensor, ""], loc_p: Float[Tensor, ""], scale_p: Float[Tensor, ""]
) -> float:
    """The same divergence as the integral that defines it, by adaptive quadrature over scipy's densities.

    The integral runs over 40 standard deviations either side of q's mean; beyond, q is 0 in double precision.
    """
    q = scipy.stats.norm(float(loc_q), float(scale_q))
    p = scipy.stats.norm(float(loc_p), float(scale_p))

    def integrand(value: float) -> float:
        return q.pdf(value) * (q.logpdf(value) - p.logpdf(value))

    reach = [float(loc_q) + step * float(scale_q) for step in (-40, -6, 0, 6, 40)]
    parts = [scipy.integrate.quad(integrand, low, high, epsabs=1e-13)[0] for low, high in itertools.pairwise(reach)]
    return math.fsum(parts)


def _density(value: sp.Expr, loc: sp.Expr, scale: sp.Expr) -> sp.Expr:
    """A Gaussian's density, its constant kept in the form it is written in."""
    constant = sp.Pow(2 * sp.pi * scale**2, -sp.Rational(1, 2), evaluate=False)
    return sp.Mul(constant, sp.exp(-((value - loc) ** 2) / (2 * scale**2)), evaluate=False)


def _over_the_line(integrand: sp.Expr) -> sp.Integral:
    return sp.Integral(integrand, (x, -sp.oo, sp.oo))


def _kl(loc_q: sp.Expr, scale_q: sp.Expr, loc_p: sp.Expr, scale_p: sp.Expr) -> sp.Expr:
    """The integral that defines the divergence."""
    q = Named("q", _density(x, loc_q, scale_q), x)
    p = Named("p", _density(x, loc_p, scale_p), x)
    return _over_the_line(q * (sp.log(q) - sp.log(p)))


@derivation(
    "kl-normal",
    title="KL divergence of two Gaussians",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    implements=kl_normal_normal,
    arguments=(loc_q, scale_q, loc_p, scale_p),
    oracles={"adaptive quadrature of the integral": kl_by_quadrature},
)
def kl_normal() -> Iterator[Step]:
    """From the integral to the closed form, one moment of q at a time."""
    q = Named("q", _density(x, loc_q, scale_q), x)
    ratio = sp.log(scale_p / scale_q)
    first, second = (x - loc_q) ** 2, (x - loc_p) ** 2
    half_q, half_p = 1 / (2 * scale_q**2), 1 / (2 * scale_p**2)
    yield Step(_kl(loc_q, scale_q, loc_p, scale_p), because="definition")
    yield Step(
        _over_the_line(q * (ratio - first * half_q + second * half_p)),
        because="logarithms of the two densities; the factors with $\\pi$ cancel",
    )
    yield Step(
        ratio * _over_the_line(q) - half_q * _over_the_line(q * first) + half_p * _over_the_line(q * second),
        because="the integral is linear",
    )
    yield Step(
        ratio - half_q * _over_the_line(q * first) + half_p * _over_the_line(q * second),
        because="$q$ is a density: it integrates to one",
    )
    yield Step(
        ratio - sp.Rational(1, 2) + half_p * _over_the_line(q * second),
        because="the variance of $q$, divided by twice itself",
    )
    yield Step(
        ratio - sp.Rational(1, 2) + half_p * (scale_q**2 + (loc_q - loc_p) ** 2),
        because="mean square about another point: variance plus squared distance of that point from the mean",
    )


@slip(
    "kl-ten-apart",
    title="Divergence of means ten apart",
    says="The divergence between unit Gaussians is short by the half that ought to cancel.",
    source="a worked example of a small and a large divergence",
    derivation="kl-normal",
)
def kl_ten_apart() -> Claim:
    """N(10, 1) against N(0, 1)."""
    quantity = _kl(sp.Integer(10), sp.Integer(1), sp.Integer(0), sp.Integer(1))
    return Claim(quantity, wrong=sp.Rational(99, 2), right=sp.Integer(50))


@slip(
    "kl-wider-by-a-tenth",
    title="Divergence to a scale larger by a tenth",
    says="The divergence is taken to be a tenth too; to lowest order it is the square of that tenth.",
    source="an argument about small divergences",
    decimals=1,
    derivation="kl-normal",
)
def kl_wider_by_a_tenth() -> Claim:
    """N(0, 1) against N(0, 1.1²)."""
    wider = sp.Rational(11, 10)
    quantity = _kl(sp.Integer(0), sp.Integer(1), sp.Integer(0), wider)
    return Claim(quantity, wrong=sp.Rational(1, 10), right=sp.log(wider) - sp.Rational(21, 242))


@slip(
    "entropy-scale-not-squared",
    title="Entropy of a Gaussian",
    says="An intermediate line divides the mean square by twice the standard deviation, not by twice its square.",
    source="a derivation of the divergence between Gaussians",
)
def entropy_scale_not_squared() -> Claim:
    """−∫ q log q, before the second moment is put in."""
    loc, scale = sp.Symbol("mu", real=True), sp.Symbol("sigma", positive=True)
    q = Named("q", _density(x, loc, scale), x)
    spread = _over_the_line(q * (x - loc) ** 2)
    constant = sp.log(2 * sp.pi * scale**2) / 2
    return Claim(
        -_over_the_line(q * sp.log(q)),
        wrong=constant + spread / (2 * scale),
        right=constant + spread / (2 * scale**2),
    )


@slip(
    "kl-dimension-without-half",
    title="Divergence from a standard Gaussian",
    says="The divergence of a diagonal Gaussian loses the factor one half on its dimension.",
    source="a regularisation term printed in full",
    derivation="kl-normal",
)
def kl_dimension_without_half() -> Claim:
    """The univariate closed form, summed over d dimensions."""
    dim = sp.Symbol("d", integer=True, positive=True)
    k = sp.Symbol("k", integer=True, positive=True)
    loc = sp.IndexedBase(sp.Symbol("mu", real=True))
    scale = sp.IndexedBase(sp.Symbol("sigma", positive=True))
    quantity = sp.Sum(-sp.log(scale[k]) + (scale[k] ** 2 + loc[k] ** 2) / 2 - sp.Rational(1, 2), (k, 1, dim))
    rest = sp.Sum(loc[k] ** 2 + scale[k] ** 2 - sp.log(scale[k] ** 2), (k, 1, dim)) / 2
    return Claim(quantity, wrong=rest - dim, right=rest - dim / 2)


@slip(
    "noise-times-variance",
    title="Noise of a reparameterised sample",
    says="The reparameterised sample multiplies the noise by the variance, not by the standard deviation: its variance "
    "comes out as the square of the one that was asked for.",
    source="an explanation of the reparameterisation",
)
def noise_times_variance() -> Claim:
    """The variance of loc + factor · eps over standard normal eps, which should be scale²."""
    eps = sp.Symbol("epsilon", real=True)
    scale = sp.Symbol("sigma", positive=True)
    phi = Named(r"\varphi", _density(eps, sp.Integer(0), sp.Integer(1)), eps)

    def variance(factor: sp.Expr) -> sp.Expr:
        return sp.Integral(phi * (factor * eps) ** 2, (eps, -sp.oo, sp.oo))

    return Claim(scale**2, wrong=variance(scale**2), right=variance(scale))
