"""Divergences of families on a bounded support: uniform, Kumaraswamy, von Mises–Fisher."""

import math
from collections.abc import Iterator

import numpy as np
import scipy.integrate
import scipy.special
import scipy.stats
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import kl_divergence

from coursework.derivations.core import Step, derivation
from coursework.derivations.kl_quantiles import over_shares
from coursework.derivations.naming import Named
from coursework.derivations.slips import Claim, slip
from coursework.distributions.kumaraswamy import Kumaraswamy
from coursework.distributions.sphere import SphereUniform, VonMisesFisher
from coursework.distributions.uniform import ClosedUniform

x, w, theta = sp.symbols("x w theta", positive=True)
u, low_q, low_p = sp.symbols("u l_q l_p", real=True)
width_q, width_p, a, b, kappa = sp.symbols("w_q w_p a b kappa", positive=True)
dim = sp.Symbol("d", integer=True, positive=True)
INSIDE = (sp.Le(low_p, low_q), sp.Le(low_q + width_q, low_p + width_p))
"""The posterior's interval inside the prior's."""


def kl_uniform(low_q: Tensor, width_q: Tensor, low_p: Tensor, width_p: Tensor) -> Float[Tensor, "*batch"]:
    """KL of the uniform laws on two intervals, as registered with torch; ∞ unless the first lies in the second."""
    return kl_divergence(ClosedUniform(low_q, low_q + width_q), ClosedUniform(low_p, low_p + width_p))


def kl_uniform_by_quadrature(low_q: Tensor, width_q: Tensor, low_p: Tensor, width_p: Tensor) -> float:
    """The integral over the first interval, of scipy's densities."""
    q, p = (scipy.stats.uniform(float(low), float(width)) for low, width in ((low_q, width_q), (low_p, width_p)))
    middle, half = float(low_q + width_q / 2), float(width_q) / 2 * (1 - 1e-12)
    return scipy.integrate.quad(lambda v: q.pdf(v) * (q.logpdf(v) - p.logpdf(v)), middle - half, middle + half)[0]


def _kl_uniform() -> sp.Expr:
    q, p = 1 / width_q, 1 / width_p
    return sp.Integral(q * (sp.log(q) - sp.log(p)), (u, low_q, low_q + width_q))


@derivation(
    "kl-uniform",
    title="KL divergence of two uniform laws",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    facts=INSIDE,
    implements=kl_uniform,
    arguments=(low_q, width_q, low_p, width_p),
    oracles={"quadrature": kl_uniform_by_quadrature},
)
def kl_uniform_steps() -> Iterator[Step]:
    """Finite only where the posterior lies inside the prior; there, only the widths count."""
    yield Step(_kl_uniform(), because="definition: outside its interval $q$ is zero, inside it so far $p$ is not")
    yield Step(sp.log(width_p / width_q), because="a constant over an interval, times its width")


@slip(
    "kl-uniform-reversed",
    title="Divergence of uniform laws, direction",
    says="The divergence is printed with posterior and prior exchanged; it comes out negative, which no divergence is, "
    "and rewards the posterior for shrinking.",
    source="public solutions of the mini-project",
    facts=INSIDE,
    derivation="kl-uniform",
)
def kl_uniform_reversed() -> Claim:
    """The logarithm of the wrong quotient."""
    return Claim(_kl_uniform(), wrong=sp.log(width_q / width_p), right=sp.log(width_p / width_q))


def kl_kumaraswamy(a: Tensor, b: Tensor) -> Float[Tensor, "*batch"]:
    """KL of Kumaraswamy's law from the uniform one on 0…1, as registered here, which takes the median for b."""
    median = (1 - 0.5 ** (1 / b)) ** (1 / a)
    zero = torch.zeros_like(median)
    return kl_divergence(Kumaraswamy(median, a), ClosedUniform(zero, zero + 1))


def kl_kumaraswamy_by_quadrature(a: Tensor, b: Tensor) -> float:
    """The mean logarithm of the density over the quantiles, from either end."""
    first, second = float(a), float(b)

    def log_density(log_rest: np.ndarray) -> np.ndarray:
        """At the point where 1 − x^a has this logarithm."""
        power = np.log(-np.expm1(log_rest))
        return math.log(first * second) + (1 - 1 / first) * power + (second - 1) * log_rest

    lower = over_shares(lambda share: log_density(np.log1p(-share) / second))
    return lower + over_shares(lambda share: log_density(np.log(share) / second))


@derivation(
    "kl-kumaraswamy",
    title="KL divergence of Kumaraswamy's law from the uniform one",
    of=r"\operatorname{KL}(q \,\Vert\, \mathrm{U}[0, 1])",
    implements=kl_kumaraswamy,
    arguments=(a, b),
    oracles={"quadrature over the quantiles": kl_kumaraswamy_by_quadrature},
    tolerance=1e-8,
)
def kl_kumaraswamy_steps() -> Iterator[Step]:
    """Minus the entropy: the uniform density is one."""
    q = Named("q", a * b * x ** (a - 1) * (1 - x**a) ** (b - 1), x)

    def mean(term: sp.Expr) -> sp.Integral:
        return sp.Integral(b * w ** (b - 1) * term, (w, 0, 1))

    constant, power, rest = sp.log(a * b), (1 - 1 / a), sp.log(1 - w)
    yield Step(sp.Integral(q * sp.log(q), (x, 0, 1)), because="definition; the logarithm of the prior is zero")
    yield Step(
        mean(constant + power * rest + (b - 1) * sp.log(w)),
        argued="substitution $w = 1 - x^a$, under which $q$ becomes $b w^{b - 1}$",
    )
    yield Step(constant + power * mean(rest) + (b - 1) * mean(sp.log(w)), because="the mean is linear")
    yield Step(constant + power * mean(rest) - 1 + 1 / b, because=r"the mean of $\log w$ is $-1/b$")
    yield Step(
        constant - power * (sp.digamma(b + 1) + sp.EulerGamma) - 1 + 1 / b,
        argued=r"Euler's integral of the harmonic number: $\log(1 - w)$ as a series in powers of $w$, term by term",
    )


def kl_von_mises_fisher(dim: Tensor, concentration: Tensor) -> Float[Tensor, ""]:
    """KL of a von Mises–Fisher law from the uniform one, in any direction, as registered here."""
    loc = torch.zeros(round(float(dim)), dtype=concentration.dtype)
    loc[-1] = 1
    return kl_divergence(VonMisesFisher(loc, concentration), SphereUniform(loc))


def kl_by_entropy(dim: Tensor, concentration: Tensor) -> float:
    """Logarithm of the sphere's area less scipy's entropy of the law."""
    d = round(float(dim))
    area = math.log(2) + d / 2 * math.log(math.pi) - scipy.special.gammaln(d / 2)
    return area - scipy.stats.vonmises_fisher(np.eye(d)[0], float(concentration)).entropy()


@derivation(
    "kl-von-mises-fisher",
    title="KL divergence of a von Mises–Fisher law from the uniform one",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    facts=(sp.Ge(dim, 2),),
    implements=kl_von_mises_fisher,
    arguments=(dim, kappa),
    oracles={"scipy's entropy": kl_by_entropy},
    instances=lambda rng: (float(rng.integers(2, 130)), float(rng.uniform(0.5, 200))),
)
def kl_von_mises_fisher_steps() -> Iterator[Step]:
    """Over the angle to the direction; what lies across it is uniform under both laws and cancels."""

    def integral(term: sp.Expr) -> sp.Integral:
        return sp.Integral(term * sp.sin(theta) ** (dim - 2), (theta, 0, sp.pi))

    tilt, order = sp.exp(kappa * sp.cos(theta)), dim / 2 - 1
    yield Step(
        kappa * integral(tilt * sp.cos(theta)) / integral(tilt)
        - sp.log(integral(tilt))
        + sp.log(integral(sp.Integer(1))),
        because="definition: the mean of $\\kappa \\cos\\theta$, less the logarithms of both normalisers",
    )
    yield Step(
        kappa * sp.besseli(order + 1, kappa) / sp.besseli(order, kappa)
        - sp.log(sp.besseli(order, kappa))
        + order * sp.log(kappa / 2)
        - sp.loggamma(dim / 2),
        argued="Poisson's integral of the modified Bessel function, and its derivative in $\\kappa$",
    )


@derivation(
    "kl-von-mises-fisher-3",
    title="KL divergence from the uniform law, sphere in three dimensions",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    implements=kl_von_mises_fisher,
    arguments=(kappa,),
    oracles={"scipy's entropy": kl_by_entropy},
    calling=lambda function: lambda concentration: function(torch.tensor(3.0), concentration),
)
def kl_von_mises_fisher_3_steps() -> Iterator[Step]:
    """In three dimensions the cosine of the angle is uniform under the prior, and everything is elementary."""
    z = Named("Z", (sp.exp(kappa) - sp.exp(-kappa)) / kappa, kappa)

    def mean(term: sp.Expr) -> sp.Integral:
        return sp.Integral(sp.exp(kappa * u) / z * term, (u, -1, 1))

    rise, fall = sp.exp(kappa), sp.exp(-kappa)
    yield Step(
        mean(sp.log(sp.exp(kappa * u) / z) - sp.log(sp.Rational(1, 2))),
        because="definition, over the cosine $u$ of the angle",
    )
    yield Step(mean(kappa * u - sp.log(z) + sp.log(2)), because="logarithms of the two densities")
    yield Step(kappa * mean(u) - sp.log(z) + sp.log(2), because="$q$ is a density: it integrates to one")
    yield Step(
        kappa * (rise + fall) / (rise - fall) - 1 - sp.log((rise - fall) / (2 * kappa)),
        because="the mean cosine, by parts",
    )
