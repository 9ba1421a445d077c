"""A model whose evidence is known: a latent through a line, Gaussian noise; its posterior, bound and needed draws."""

import math
from collections.abc import Iterator

import scipy.integrate
import scipy.stats
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from coursework.derivations.core import Step, derivation

x, z, m = sp.symbols("x z m", real=True)
slope = sp.Symbol("w", real=True)
noise, width = sp.symbols("s v", positive=True)

_HALF = sp.Rational(1, 2)
_TOTAL = slope**2 + noise**2
_POSTERIOR_MEAN, _POSTERIOR_SCALE = slope * x / _TOTAL, noise / sp.sqrt(_TOTAL)


def linear_gaussian_evidence(
    x: Float[Tensor, "*image pixel"], weight: Float[Tensor, "pixel latent"], noise: float | Tensor
) -> Float[Tensor, "*image"]:
    """Log p(x) for z ~ N(0, I) and x|z ~ N(W z, noise² I): the Gaussian N(0, W Wᵀ + noise² I).

    Reference: Tipping and Bishop, Journal of the Royal Statistical Society B 61(3), 1999.
    """
    eye = torch.eye(len(weight), dtype=weight.dtype)
    return MultivariateNormal(torch.zeros_like(weight[:, 0]), weight @ weight.T + noise**2 * eye).log_prob(x)


def linear_gaussian_bound(x: Tensor, slope: Tensor, noise: Tensor, m: Tensor, width: Tensor) -> Float[Tensor, ""]:
    """The bound for one pixel and one latent, q = N(m, width²): torch's divergence, the likelihood by its moments."""
    likelihood = Normal(slope * m, noise).log_prob(x) - (slope * width) ** 2 / (2 * noise**2)
    return likelihood - kl_divergence(Normal(m, width), Normal(torch.zeros_like(m), torch.ones_like(m)))


def one_pixel_evidence(x: Float[Tensor, ""], slope: Float[Tensor, ""], noise: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Log p(x) for one pixel and one latent."""
    return linear_gaussian_evidence(x.reshape(1), slope.reshape(1, 1), noise)


def _evidence_by_quadrature(x: Tensor, slope: Tensor, noise: Tensor) -> float:
    return math.log(_moment(x, slope, noise, 1))


def _moment(x: Tensor, slope: Tensor, noise: Tensor, power: int) -> float:
    """E[p(x|z)^power] over the prior, by adaptive quadrature of scipy's densities."""

    def integrand(z: float) -> float:
        return scipy.stats.norm.pdf(z) * scipy.stats.norm.pdf(float(x), float(slope) * z, float(noise)) ** power

    total = float(slope) ** 2 * power + float(noise) ** 2
    middle, reach = float(slope * x) * power / total, 12 * float(noise) / math.sqrt(total)
    return scipy.integrate.quad(integrand, middle - reach, middle + reach, epsabs=0, limit=200)[0]


def _log_normal(value: sp.Expr, loc: sp.Expr, variance: sp.Expr) -> sp.Expr:
    return -_HALF * sp.log(2 * sp.pi * variance) - (value - loc) ** 2 / (2 * variance)


_log_prior = _log_normal(z, sp.Integer(0), sp.Integer(1))
_log_likelihood = _log_normal(x, slope * z, noise**2)
_log_evidence = _log_normal(x, sp.Integer(0), _TOTAL)


@derivation(
    "linear-gaussian-evidence",
    title="Evidence of a linear-Gaussian model",
    of=r"\log p(x)",
    implements=one_pixel_evidence,
    arguments=(x, slope, noise),
    oracles={"adaptive quadrature over the latent": _evidence_by_quadrature},
    instances=lambda rng: (rng.standard_normal(), rng.standard_normal(), math.exp(rng.standard_normal() / 2)),
)
def linear_gaussian() -> Iterator[Step]:
    """One pixel: z ~ N(0, 1), x|z ~ N(w z, s²)."""
    yield Step(
        _log_prior + _log_likelihood - _log_normal(z, _POSTERIOR_MEAN, _POSTERIOR_SCALE**2),
        because=r"Bayes' rule at any $z$: $p(z)\, p(x \mid z) / p(z \mid x)$, the posterior being "
        r"$N(wx / (w^2 + s^2),\, s^2 / (w^2 + s^2))$, the square completed in $z$",
    )
    yield Step(
        _log_evidence,
        because="$z$ is gone: a density in $z$ times this is the joint density, so that this is its integral over $z$; "
        "$x$ is Gaussian with variance $w^2 + s^2$",
    )


@derivation(
    "linear-gaussian-gap",
    title="The bound of a linear-Gaussian model and its gap",
    of=r"\mathcal{L}",
    uses=("linear-gaussian-evidence", "kl-normal", "elbo-gap"),
    implements=linear_gaussian_bound,
    arguments=(x, slope, noise, m, width),
    oracles={
        "evidence less divergence, by torch's laws": lambda x, w, s, m, v: (
            one_pixel_evidence(x, w, s)
            - kl_divergence(Normal(m, v), Normal(w * x / (w**2 + s**2), s / (w**2 + s**2).sqrt()))
        )
    },
    instances=lambda rng: (
        *rng.standard_normal(2),
        math.exp(rng.standard_normal() / 2),
        rng.standard_normal(),
        math.exp(rng.standard_normal() / 2),
    ),
)
def linear_gaussian_gap() -> Iterator[Step]:
    """Any Gaussian q = N(m, v²); the divergence is never negative and zero at the posterior alone."""
    ratio = noise / sp.sqrt(_TOTAL)
    yield Step(
        _log_normal(x, slope * m, noise**2)
        - slope**2 * width**2 / (2 * noise**2)
        - (m**2 + width**2 - 1 - sp.log(width**2)) / 2,
        because=r"$\mathbb{E}_q \log p(x \mid z)$ by the moments of $q$, less the divergence from the prior",
    )
    yield Step(
        _log_normal(x, sp.Integer(0), _TOTAL)
        - (sp.log(ratio / width) - _HALF + (width**2 + (m - _POSTERIOR_MEAN) ** 2) / (2 * _POSTERIOR_SCALE**2)),
        because="sorted: the evidence, less the divergence of $q$ from the posterior",
    )


@derivation(
    "prior-draws",
    title="Draws from the prior: spread of the weights",
    of=r"\log \frac{\mathbb{E}[p(x \mid z)^2]}{\mathbb{E}[p(x \mid z)]^2}",
    uses=("linear-gaussian-evidence",),
    arguments=(x, slope, noise),
    oracles={
        "adaptive quadrature of both moments": lambda x, w, s: (
            math.log(_moment(x, w, s, 2)) - 2 * math.log(_moment(x, w, s, 1))
        ),
    },
    instances=lambda rng: (rng.standard_normal(), rng.standard_normal(), math.exp(rng.standard_normal() / 2)),
)
def prior_draws() -> Iterator[Step]:
    """One coordinate; independent ones add up here, so that the moments' quotient grows as a power of their number."""
    wide = 2 * slope**2 + noise**2
    yield Step(
        _log_prior + 2 * _log_likelihood - _log_normal(z, 2 * slope * x / wide, noise**2 / wide) - 2 * _log_evidence,
        because=r"second moment of the weights over their squared mean: $n$ divided by this is how many of $n$ draws "
        r"count. As before, $p(z)\, p(x \mid z)^2$ is its integral times a Gaussian in $z$",
    )
    yield Step(
        sp.log(_TOTAL / (noise * sp.sqrt(wide))) + x**2 * slope**2 / (_TOTAL * wide),
        because="$z$ is gone again; above zero for any $w \\neq 0$, at the data's mean too",
    )
