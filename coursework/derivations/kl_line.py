"""Divergences within the families on the whole line: Laplace, Gumbel, logistic, Student's t with three degrees."""

from collections.abc import Callable, Iterator

import scipy.stats
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Gumbel, Laplace, kl_divergence

from coursework.derivations.core import Step, derivation
from coursework.derivations.kl_quantiles import over_quantiles
from coursework.derivations.slips import Claim, slip
from coursework.distributions.logistic import Logistic
from coursework.distributions.student import StudentT3

loc_q, loc_p = sp.symbols("mu_q mu_p", real=True)
scale_q, scale_p, distance = sp.symbols("s_q s_p delta", positive=True)
x = sp.Symbol("x", real=True)
t, u = sp.symbols("t u", positive=True)
ratio, shift = scale_q / scale_p, (loc_q - loc_p) / scale_p
arguments = (loc_q, scale_q, loc_p, scale_p)


def kl_of(law: Callable[[Tensor, Tensor], Distribution]) -> Callable[..., Float[Tensor, "*batch"]]:
    """The registered divergence of a location–scale law, as a function of both locations and scales."""

    def kl(loc_q: Tensor, scale_q: Tensor, loc_p: Tensor, scale_p: Tensor) -> Float[Tensor, "*batch"]:
        return kl_divergence(law(loc_q, scale_q), law(loc_p, scale_p))

    return kl


def kl_laplace(distance: Tensor, scale_q: Tensor, scale_p: Tensor) -> Float[Tensor, "*batch"]:
    """KL of two Laplace laws whose centres are `distance` apart, as registered with torch."""
    return kl_of(Laplace)(distance, scale_q, torch.zeros_like(distance), scale_p)


def kl_gumbel(loc_q: Tensor, scale_q: Tensor, loc_p: Tensor, scale_p: Tensor) -> Float[Tensor, "*batch"]:
    """KL of two Gumbel laws, as registered with torch."""
    return kl_of(Gumbel)(loc_q, scale_q, loc_p, scale_p)


def kl_logistic(loc_q: Tensor, scale_q: Tensor, loc_p: Tensor, scale_p: Tensor) -> Float[Tensor, "*batch"]:
    """KL of two logistic laws, as registered here: a trapezoidal rule."""
    return kl_of(Logistic)(loc_q, scale_q, loc_p, scale_p)


def kl_student(distance: Tensor, scale_q: Tensor, scale_p: Tensor) -> Float[Tensor, "*batch"]:
    """KL of two t laws with three degrees of freedom whose centres are `distance` apart, as registered here."""
    return kl_of(StudentT3)(distance, scale_q, torch.zeros_like(distance), scale_p)


def _between_centres(oracle: Callable[..., float]) -> Callable[..., float]:
    """The oracle for laws whose second centre is zero."""
    return lambda distance, scale_q, scale_p: oracle(distance, scale_q, 0.0, scale_p)


def _laplace(way: sp.Expr, scale: sp.Expr) -> sp.Expr:
    return sp.exp(-way / scale) / (2 * scale)


def _pieces() -> tuple[tuple[sp.Expr, sp.Expr, sp.Expr], ...]:
    """The line cut at both centres: how far from q's and from p's, and how far the piece reaches."""
    return (distance + t, t, sp.oo), (distance - t, t, distance), (t, distance + t, sp.oo)


def _kl_laplace(scale_q: sp.Expr, scale_p: sp.Expr) -> sp.Expr:
    """The integral that defines the divergence, piece by piece."""
    return sp.Add(
        *(
            sp.Integral(
                _laplace(from_q, scale_q) * (sp.log(_laplace(from_q, scale_q)) - sp.log(_laplace(from_p, scale_p))),
                (t, 0, end),
            )
            for from_q, from_p, end in _pieces()
        )
    )


def _laplace_closed(scale_q: sp.Expr, scale_p: sp.Expr) -> sp.Expr:
    decay = scale_q / scale_p * sp.exp(-distance / scale_q)
    return sp.log(scale_p / scale_q) - 1 + distance / scale_p + decay


@derivation(
    "kl-laplace",
    title="KL divergence of two Laplace laws",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    implements=kl_laplace,
    arguments=(distance, scale_q, scale_p),
    oracles={"quadrature over the quantiles": _between_centres(over_quantiles(scipy.stats.laplace))},
)
def kl_laplace_steps() -> Iterator[Step]:
    """Both densities are symmetric, so only the distance of the centres counts; the line is cut at both of them."""
    yield Step(_kl_laplace(scale_q, scale_p), because="definition, on the three pieces between and beyond the centres")
    yield Step(
        sp.Add(
            *(
                sp.Integral(
                    _laplace(from_q, scale_q) * (sp.log(scale_p / scale_q) + from_p / scale_p - from_q / scale_q),
                    (t, 0, end),
                )
                for from_q, from_p, end in _pieces()
            )
        ),
        because="logarithms of the two densities",
    )
    mean = sp.Add(*(sp.Integral(_laplace(from_q, scale_q) * from_p, (t, 0, end)) for from_q, from_p, end in _pieces()))
    yield Step(
        sp.log(scale_p / scale_q) - 1 + mean / scale_p,
        because="$q$ integrates to one, and its mean distance from its own centre is its scale",
    )
    yield Step(
        _laplace_closed(scale_q, scale_p),
        because="the mean distance from the other centre: the distance of the centres, and a term for what lies beyond",
    )


@slip(
    "kl-laplace-reversed",
    title="Divergence of Laplace laws, direction",
    says="The divergence is printed with posterior and prior exchanged.",
    source="public solutions of the mini-project",
    derivation="kl-laplace",
)
def kl_laplace_reversed() -> Claim:
    """The closed form with both scales in each other's place."""
    return Claim(
        _kl_laplace(scale_q, scale_p),
        wrong=_laplace_closed(scale_p, scale_q),
        right=_laplace_closed(scale_q, scale_p),
    )


def _gumbel(value: sp.Expr, loc: sp.Expr, scale: sp.Expr) -> sp.Expr:
    y = (value - loc) / scale
    return sp.exp(-y - sp.exp(-y)) / scale


def _exponential_mean(term: sp.Expr) -> sp.Integral:
    return sp.Integral(sp.exp(-t) * term, (t, 0, sp.oo))


@derivation(
    "kl-gumbel",
    title="KL divergence of two Gumbel laws",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    implements=kl_gumbel,
    arguments=arguments,
    oracles={"quadrature over the quantiles": over_quantiles(scipy.stats.gumbel_r)},
    tolerance=1e-8,
)
def kl_gumbel_steps() -> Iterator[Step]:
    """A Gumbel draw is minus the logarithm of an exponential one, moved and scaled."""
    at = loc_q - scale_q * sp.log(t)
    mean = _exponential_mean
    constant = sp.log(scale_p / scale_q) + shift
    yield Step(
        mean(sp.log(_gumbel(at, loc_q, scale_q)) - sp.log(_gumbel(at, loc_p, scale_p))),
        because=r"definition, the draw being $\mu_q - s_q \log t$ with $t$ exponential",
    )
    yield Step(
        mean(constant + (1 - ratio) * sp.log(t) - t + sp.exp(-shift) * t**ratio),
        because="logarithms of the two densities",
    )
    yield Step(
        constant + (1 - ratio) * mean(sp.log(t)) - mean(t) + sp.exp(-shift) * mean(t**ratio),
        because="the mean is linear",
    )
    yield Step(
        constant - (1 - ratio) * sp.EulerGamma - 1 + sp.exp(-shift) * mean(t**ratio),
        because="the mean logarithm of an exponential draw is minus Euler's constant, its mean is one",
    )
    yield Step(
        constant - (1 - ratio) * sp.EulerGamma - 1 + sp.exp(-shift) * sp.gamma(1 + ratio),
        because="Euler's integral of the gamma function",
    )


@derivation(
    "kl-logistic",
    title="KL divergence of two logistic laws",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    implements=kl_logistic,
    arguments=arguments,
    oracles={"quadrature over the quantiles": over_quantiles(scipy.stats.logistic)},
    tolerance=1e-7,
)
def kl_logistic_steps() -> Iterator[Step]:
    """One integral is left, for which no closed form is known; the code takes it by a trapezoidal rule."""
    at = loc_q + scale_q * sp.log(u / (1 - u))

    def density(loc: sp.Expr, scale: sp.Expr) -> sp.Expr:
        y = (at - loc) / scale
        return sp.exp(-y) / (scale * (1 + sp.exp(-y)) ** 2)

    other = shift + ratio * sp.log(u / (1 - u))
    yield Step(
        sp.Integral(sp.log(density(loc_q, scale_q)) - sp.log(density(loc_p, scale_p)), (u, 0, 1)),
        because=r"definition, the draw being $\mu_q + s_q \log(u / (1 - u))$ with $u$ uniform",
    )
    yield Step(
        sp.Integral(
            sp.log(scale_p / scale_q) + sp.log(u) + sp.log(1 - u) + other + 2 * sp.log(1 + sp.exp(-other)), (u, 0, 1)
        ),
        argued="logarithms of the two densities; that of $q$ at its own quantile is $u(1 - u)/s_q$",
    )
    yield Step(
        sp.log(scale_p / scale_q)
        - 2
        + shift
        + 2 * sp.Integral(sp.log(1 + sp.exp(-shift) * ((1 - u) / u) ** ratio), (u, 0, 1)),
        argued=r"$\log u$ and $\log(1 - u)$ have mean $-1$ each, so the mean of their difference is zero",
    )


def _student(value: sp.Expr, loc: sp.Expr, scale: sp.Expr) -> sp.Expr:
    return 2 / (sp.pi * sp.sqrt(3) * scale) * (1 + (value - loc) ** 2 / (3 * scale**2)) ** -2


@derivation(
    "kl-student",
    title="KL divergence of two t laws, three degrees of freedom",
    of=r"\operatorname{KL}(q \,\Vert\, p)",
    implements=kl_student,
    arguments=(distance, scale_q, scale_p),
    oracles={
        "quadrature over the quantiles": _between_centres(
            over_quantiles(lambda loc, scale: scipy.stats.t(3, loc, scale))
        )
    },
    tolerance=1e-8,
)
def kl_student_steps() -> Iterator[Step]:
    """The densities are rational: each mean of a logarithm is the residue at one double pole."""
    line = (x, -sp.oo, sp.oo)
    q, p = _student(x, distance, scale_q), _student(x, sp.Integer(0), scale_p)
    both = distance**2 + 3 * (scale_p + scale_q) ** 2
    far, near = x**2 + 3 * scale_p**2, (x - distance) ** 2 + 3 * scale_q**2
    yield Step(sp.Integral(q * (sp.log(q) - sp.log(p)), line), because="definition; only the distance counts")
    yield Step(
        sp.Integral(q * (3 * sp.log(scale_q / scale_p) + 2 * sp.log(far) - 2 * sp.log(near)), line),
        because="logarithms of the two densities",
    )
    yield Step(
        3 * sp.log(scale_q / scale_p)
        + 2 * (sp.log(both) - 6 * scale_q * (scale_p + scale_q) / both)
        - 2 * (sp.log(12 * scale_q**2) - 1),
        argued=r"the logarithm of $(x - a)^2 + b^2$ is twice the real part of $\log(x - a - \mathrm{i} b)$, which is "
        r"analytic below the line: its mean is the residue at the double pole of $q$ there",
    )
    yield Step(
        3 * sp.log(scale_q / scale_p)
        + 2 * (sp.log(both / (12 * scale_q**2)) + 1 - 6 * scale_q * (scale_p + scale_q) / both),
        because="terms gathered",
    )
