"""Distances between two parallel lines, and between two Gaussians: JS, KL and Wasserstein (question D8)."""

from collections.abc import Iterator

import numpy as np
import scipy.integrate
import scipy.optimize
import scipy.special
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named

theta = sp.Symbol(r"\theta", positive=True)
shift = sp.Symbol(r"\delta", real=True)
scale_p, scale_q = sp.symbols("sigma_p sigma_q", positive=True)
y, x = sp.symbols("y x", real=True)
_HALF = sp.Rational(1, 2)


def _along(term: sp.Expr) -> sp.Integral:
    return sp.Integral(term, (y, 0, 1))


@derivation("lines-js", title="Two parallel lines: JS", of=r"\mathrm{JS}(p, q)")
def lines_js() -> Iterator[Step]:
    """On each line the density of the other law is zero, and the mixture has half of its own: the ratio is two."""
    own = Named("m", sp.Mul(_HALF, 1 + 0))
    yield Step(
        _HALF * _along(sp.log(1 / own)) + _HALF * _along(sp.log(1 / own)),
        because=r"$\tfrac12 \mathrm{KL}(p \Vert m) + \tfrac12 \mathrm{KL}(q \Vert m)$; along its own line each law has "
        r"density 1 and the mixture $m = \tfrac12$, for any $\theta \neq 0$",
    )
    yield Step(sp.log(2), because=r"the integrand is constant: $\theta$ does not occur")


def assignment_cost(theta: Float[Tensor, ""]) -> float:
    """W1 of 40 points on each line, by an optimal assignment: no formula for the plan is used."""
    heights = (np.arange(40) + 0.5) / 40
    across = float(theta) + 0 * heights[:, None]
    cost = np.hypot(across, heights[:, None] - heights[None, :])
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


def lines_distance(theta: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """W1 of the uniform laws on {0} × [0, 1] and {θ} × [0, 1]: |θ|."""
    return theta.abs()


@derivation(
    "lines-w1-plan",
    title="Two parallel lines: cost of a plan",
    of=r"\mathbb{E} \Vert (0, y) - (\theta, y) \Vert",
    implements=lines_distance,
    arguments=(theta,),
    oracles={"optimal assignment of points": assignment_cost},
)
def lines_plan() -> Iterator[Step]:
    """Moving straight across: an upper bound of W1."""
    yield Step(
        _along(sp.sqrt((theta - 0) ** 2 + (y - y) ** 2)), because="every point goes straight across: one plan of many"
    )
    yield Step(theta, because="all paths are equally long")


@derivation(
    "lines-w1-dual", title="Two parallel lines: value of a critic",
    of=r"\mathbb{E}_q f - \mathbb{E}_p f", uses=("lines-w1-plan",),
)  # fmt: skip
def lines_dual() -> Iterator[Step]:
    """f(x, y) = x has slope one: a lower bound of W1."""
    yield Step(
        _along(theta) - _along(sp.Integer(0)),
        because=r"the critic $f(x, y) = x$, whose Lipschitz constant is one",
    )
    yield Step(theta, because="as large as the cost of the plan: both are optimal")


def _mean(term: sp.Expr) -> sp.Integral:
    density = sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
    return sp.Integral(Named(r"\varphi", density, x) * term, (x, -sp.oo, sp.oo))


def quantile_distance(shift: Float[Tensor, ""], scale_p: Float[Tensor, ""], scale_q: Float[Tensor, ""]) -> float:
    """W2² of N(0, scale_p²) and N(shift, scale_q²), by quadrature of the squared difference of their quantiles."""

    def gap(rank: float) -> float:
        quantile = scipy.special.ndtri(rank)
        return float((float(scale_p) * quantile - (float(shift) + float(scale_q) * quantile)) ** 2)

    return sum(scipy.integrate.quad(gap, *ends, limit=200)[0] for ends in ((0, 0.01), (0.01, 0.99), (0.99, 1)))


def gaussian_w2_squared(
    shift: Float[Tensor, ""], scale_p: Float[Tensor, ""], scale_q: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """W2² of two univariate Gaussians: shift² + (scale_p − scale_q)²."""
    return shift**2 + (scale_p - scale_q) ** 2


@derivation(
    "gaussians-w2",
    title="Two Gaussians: W2 squared",
    of=r"W_2^2(p, q)",
    implements=gaussian_w2_squared,
    arguments=(shift, scale_p, scale_q),
    oracles={"quadrature over the quantiles": quantile_distance},
    tolerance=1e-6,
)
def gaussians_w2() -> Iterator[Step]:
    """On the line the best plan sends quantiles to quantiles."""
    gap = shift + (scale_q - scale_p) * x
    yield Step(
        _mean(gap**2),
        because=r"$\sigma_p x$ goes to $\delta + \sigma_q x$, with $x$ standard normal: equal quantiles, the best plan "
        "on a line",
    )
    yield Step(
        shift**2 * _mean(sp.Integer(1))
        + 2 * shift * (scale_q - scale_p) * _mean(x)
        + (scale_q - scale_p) ** 2 * _mean(x**2),
        because="the square expanded",
    )
    yield Step(shift**2 + (scale_p - scale_q) ** 2, because="moments of the standard normal law")


def distribution_gap(shift: Float[Tensor, ""], scale_p: Float[Tensor, ""]) -> float:
    """W1 of N(0, scale_p²) and N(shift, scale_p²): the area between their distribution functions."""
    scale, delta = float(scale_p), float(shift)
    low, high = min(0.0, delta) - 12 * scale, max(0.0, delta) + 12 * scale

    def gap(value: float) -> float:
        return float(abs(scipy.special.ndtr(value / scale) - scipy.special.ndtr((value - delta) / scale)))

    return float(scipy.integrate.quad(gap, low, high, limit=300, epsabs=1e-11)[0])


def gaussian_w1(shift: Float[Tensor, ""], scale_p: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """W1 of two univariate Gaussians of one scale: the distance of their means, whatever the scale."""
    return shift.abs() + 0 * scale_p


@derivation(
    "gaussians-w1",
    title="Two Gaussians of one scale: W1",
    of=r"\mathbb{E}_q f - \mathbb{E}_p f",
    implements=gaussian_w1,
    arguments=(shift, scale_p),
    oracles={"area between the distribution functions": distribution_gap},
    tolerance=1e-7,
)
def gaussians_w1() -> Iterator[Step]:
    """A critic of slope one; the plan that moves every point by δ costs as much."""
    sign = sp.sign(shift)
    yield Step(
        sign * _mean(shift + scale_p * x) - sign * _mean(scale_p * x),
        because=r"the critic $f(x) = \operatorname{sign}(\delta)\, x$ on $\delta + \sigma x$ and on $\sigma x$",
    )
    yield Step(sp.Abs(shift), because=r"the means; moving every point by $\delta$ costs the same, so both are optimal")


def gaussian_js(shift: float, scale: float = 1.0) -> float:
    """JS(N(0, scale²), N(shift, scale²)) in nats, by the trapezium rule on its definition; exact to ten digits."""
    grid = np.linspace(min(0.0, shift) - 12 * scale, max(0.0, shift) + 12 * scale, 20_001)
    logs = [-(((grid - loc) / scale) ** 2) / 2 - np.log(scale * np.sqrt(2 * np.pi)) for loc in (0.0, shift)]
    middle = np.logaddexp(*logs) - np.log(2)
    return float(np.trapezoid(sum(np.exp(log) * (log - middle) for log in logs) / 2, grid))


def gaussian_kl(shift: float, scale: float = 1.0) -> float:
    """KL(N(0, scale²)‖N(shift, scale²)), by torch."""
    laws = [torch.distributions.Normal(torch.tensor(loc).double(), scale) for loc in (0.0, shift)]
    return float(torch.distributions.kl_divergence(*laws))
