"""What a discriminator and a critic measure: the best D, the value it gives, and distances of laws (question D8)."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.optimize
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from coursework.derivations.core import Step, derivation
from coursework.derivations.naming import Named
from coursework.derivations.slips import Claim, slip
from coursework.objectives.adversarial import gan_generator_loss

p, q, odds = sp.symbols("p q u", positive=True)
logit = sp.Symbol("a", real=True)
_HALF = sp.Rational(1, 2)
_best = Named(r"D^{*}", p / (p + q))
_guess = Named("D", odds / (1 + odds))


@derivation("best-discriminator", title="The best discriminator", of=r"p \log D + q \log(1 - D)")
def best_discriminator() -> Iterator[Step]:
    """At one point x, with p = p(x) and q = q(x): what is lost by any D is a divergence of two coins."""
    yield Step(
        p * sp.log(_guess) + q * sp.log(1 - _guess),
        because="the integrand of the value at one point; any $D$ in $(0, 1)$, written by its odds $u$",
    )
    loss = _best * sp.log(_best / _guess) + (1 - _best) * sp.log((1 - _best) / (1 - _guess))
    yield Step(
        p * sp.log(_best) + q * sp.log(1 - _best) - (p + q) * loss,
        because=r"with $D^{*} = p/(p+q)$: the bracket is the divergence of the coin $D$ from the coin $D^{*}$, "
        "never negative, and zero only if they are the same (gibbs)",
    )


size = sp.Symbol("n", integer=True, positive=True)
h, k = sp.symbols("h k", integer=True, nonnegative=True)
_w = sp.IndexedBase(sp.Symbol("w", positive=True), shape=(size,))
_v = sp.IndexedBase(sp.Symbol("v", positive=True), shape=(size,))


def _law(name: str, weight: sp.IndexedBase) -> Named:
    return Named(name, weight[h] / sp.Sum(weight[k], (k, 0, size - 1)), h)


def _over(term: sp.Expr) -> sp.Sum:
    return sp.Sum(term, (h, 0, size - 1))


def gan_value(p: Float[Tensor, " point"], q: Float[Tensor, " point"]) -> Tensor:
    """−log 4 + 2 JS(p, q) for two discrete laws, given by weights: the value of the game against the best D."""
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    divergence = (torch.special.xlogy(p, p / m) + torch.special.xlogy(q, q / m)).sum() / 2
    return -torch.log(torch.tensor(4.0, dtype=p.dtype)) + 2 * divergence


def searched_value(p: Float[Tensor, " point"], q: Float[Tensor, " point"]) -> float:
    """The same value by a numerical search for the best D at every point."""
    laws = [(weights / weights.sum()).tolist() for weights in (p, q)]
    total = 0.0
    for one, other in zip(*laws, strict=True):

        def loss(d: float, one: float = one, other: float = other) -> float:
            return -(one * np.log(d) + other * np.log1p(-d))

        total -= scipy.optimize.minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).fun
    return total


@derivation(
    "gan-value",
    title="The value against the best discriminator",
    of=r"V(D^{*})",
    uses=("best-discriminator",),
    implements=gan_value,
    arguments=(_w, _v),
    oracles={"search for the best discriminator": searched_value},
    instances=lambda rng: tuple(rng.uniform(0.05, 1, (2, int(rng.integers(2, 9))))),
    tolerance=1e-8,
)
def gan_value_derived() -> Iterator[Step]:
    """Sums over n points stand for integrals; p and q are any two laws on them."""
    one, other = _law("p", _w), _law("q", _v)
    middle = Named("m", (one + other) / 2, h)
    yield Step(
        _over(one * sp.log(one / (one + other)) + other * sp.log(other / (one + other))),
        because="the best discriminator put in",
    )
    yield Step(
        _over(one * sp.log(one / middle) + other * sp.log(other / middle)) - sp.log(2) * _over(one + other),
        because="$p + q = 2 m$: the law $m$ is the even mixture",
    )
    yield Step(
        -sp.log(4) + _over(one * sp.log(one / middle) + other * sp.log(other / middle)),
        argued="$p$ and $q$ each add up to one; the sum left is $2 \\, \\mathrm{JS}(p, q)$",
    )


def generator_slope(logit: Float[Tensor, ""], *, saturating: bool) -> Tensor:
    """Derivative of the generator's loss for the discriminator's logit, by autograd."""
    a = logit.detach().clone().requires_grad_()
    loss, _ = gan_generator_loss(a[None], saturating=saturating)
    return torch.autograd.grad(loss, a)[0]


def slope_by_differences(logit: Float[Tensor, ""], *, saturating: bool) -> float:
    """The same slope by central differences."""
    up, down = (gan_generator_loss(logit[None] + shift, saturating=saturating)[0] for shift in (1e-5, -1e-5))
    return float(up - down) / 2e-5


def _choosing(saturating: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda function: lambda a: function(a, saturating=saturating)


_D = Named("D", 1 / (1 + sp.exp(-logit)))


@derivation(
    "saturating-slope",
    title="Slope of the saturating loss",
    of=r"\frac{\partial}{\partial a} \log(1 - D)",
    implements=generator_slope,
    arguments=(logit,),
    oracles={"central differences": slope_by_differences},
    calling=_choosing(True),
    tolerance=1e-8,
)
def saturating_slope() -> Iterator[Step]:
    """For the logit a of a fake, D = 1/(1 + e^−a)."""
    yield Step(sp.Derivative(sp.log(1 - _D), logit), because="what the generator of the game descends")
    yield Step(-_D, because="chain rule: zero for a fake that is found out, $D \\to 0$")


@derivation(
    "other-slope",
    title="Slope of the non-saturating loss",
    of=r"\frac{\partial}{\partial a} (- \log D)",
    implements=generator_slope,
    arguments=(logit,),
    oracles={"central differences": slope_by_differences},
    calling=_choosing(False),
    tolerance=1e-8,
)
def other_slope() -> Iterator[Step]:
    """The usual replacement."""
    yield Step(sp.Derivative(-sp.log(_D), logit), because="what is descended in its place")
    yield Step(_D - 1, because="chain rule: minus one for a fake that is found out")


distance, weight, slope = sp.symbols(r"\theta \lambda g", positive=True)


@derivation("penalty-bias", title="A penalised critic is too steep", of=r"g \theta - \lambda (g - 1)^2")
def penalty_bias() -> Iterator[Step]:
    """A critic of slope g between two lines at distance θ: what it gains, less the penalty."""
    best = Named("g^{*}", 1 + distance / (2 * weight))
    yield Step(
        slope * distance - weight * (slope - 1) ** 2,
        because=r"the gap of a critic of slope $g$, less $\lambda$ times the penalty of WGAN-GP",
    )
    yield Step(
        distance + distance**2 / (4 * weight) - weight * (slope - best) ** 2,
        because=r"the square completed: the best slope $g^{*}$ is above one, and its gap $\theta g^{*}$ above $W_1$",
    )


@slip(
    "gan-obvious-fake",
    title="D at an obvious fake",
    says="The discriminator's output for an obvious fake is said to be near one; it is near zero.",
    source="an explanation of early saturation",
    decimals=1,
    derivation="best-discriminator",
)
def gan_obvious_fake() -> Claim:
    """Data N(0, 1), fakes N(10, 1), at x = 10: the best discriminator."""
    data, fake = sp.exp(-sp.Rational(100, 2)), sp.Integer(1)
    return Claim(data / (data + fake), wrong=sp.Integer(1), right=1 / (1 + sp.exp(50)))
